"""Every setting, its default and its unit; read once at start from the environment and an optional YAML file.

Environment variables carry the prefix `FAULTLINE_` and nest with `__`; `FAULTLINE_CONFIG` names the YAML file; the
environment wins. `<NAME>_FILE` reads a secret from a file. Unknown keys are refused. A few variables without the prefix
(VM_ENDPOINT, MODELS_DIR, …) count where neither says anything.

    FAULTLINE_KAFKA__BOOTSTRAP_SERVERS=broker:9092 FAULTLINE_KAFKA__OPTIONS__SASL_PASSWORD_FILE=/run/secrets/kafka
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from workers.settings_intake import RedactionRule, checked_key, checked_zone
from workers.settings_notify import NotifySettings
from workers.settings_sources import SettingsError, Values, explain, read_aliases, read_environment, read_yaml
from workers.settings_victoriametrics import ALIASES, ScoreSettings, VictoriaMetricsSettings

PREFIX = "FAULTLINE_"
CONFIG_VARIABLE = "FAULTLINE_CONFIG"

_NOT_SETTINGS = "FAULTLINE_TEST_"
"""Variables that only the tests read."""

DECIDED_BY_US = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "partitioner",
        "transactional.id",
    }
)
"""librdkafka options that the promise of exactly once depends on, or that have a setting of their own."""


class Section(BaseModel):
    """A group of settings. Frozen: what a worker was started with stays so."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    bootstrap_servers: str = Field("localhost:9092", description="host:port list of the brokers")
    group_protocol: Literal["auto", "consumer", "classic"] = Field(
        "auto", description="auto: KIP-848 where the broker allows a session of at most 10 s, else classic"
    )
    options: dict[str, str] = Field(
        default_factory=dict, description="librdkafka options, written with _ for . (security_protocol=SASL_SSL)"
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_host_and_port(cls, servers: str) -> str:
        for server in servers.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not (host and colon and port.isdigit()):
                raise ValueError(f"{server!r} is not host:port; several are parted by commas")
        return servers

    @field_validator("options", mode="before")
    @classmethod
    def _as_librdkafka_writes_them(cls, options: object) -> object:
        if not isinstance(options, Mapping):
            return options
        return {str(name).lower().replace("_", "."): _scalar(value) for name, value in options.items()}

    @field_validator("options")
    @classmethod
    def _leaves_alone_what_is_ours(cls, options: dict[str, str]) -> dict[str, str]:
        taken = sorted(DECIDED_BY_US & options.keys())
        if taken:
            raise ValueError(f"{', '.join(taken)} cannot be set here: the workers depend on their own value. Remove it")
        return options


class RedisSettings(Section):
    url: str = Field("redis://localhost:6379/0", description="Redis for checkpoints and readable windows")
    timeout_ms: int = Field(2000, ge=1, description="bound on one call; a slower Redis skips the checkpoint")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("begins with redis://, rediss:// (TLS) or unix://")
        return url


class TopicSettings(Section):
    """Names given here are taken verbatim; the defaults get the namespace in front."""

    raw: list[str] = Field(default_factory=lambda: ["telemetry.raw.v1"])
    events: str = "telemetry.events.v1"
    features: str = "telemetry.features.v1"
    scores: str = "anomaly.scores.v1"
    anomalies: str = "anomaly.events.v1"
    incidents: str = "anomaly.incidents.v1"
    incident_state: str = "anomaly.incidents.state.v1"
    groups: str = "anomaly.groups.v1"
    drift: str = "anomaly.drift.v1"
    deadletter: str = "telemetry.deadletter.v1"
    control: str = "faultline.control.v1"
    state_prefix: str = Field("faultline.state", description="state topics are <prefix>.<worker>.v1")
    partitions: int = Field(12, ge=1, description="partitions of every partitioned topic that topics create makes")
    replication: int = Field(-1, description="replication factor; -1 is the broker's default")
    retention_hours: float = Field(72, gt=0, description="retention of inputs; at least twice the longest memory")
    results_hours: float = Field(720, gt=0, description="retention of incidents, groups, drift and dead letters")


class WorkerSettings(Section):
    delivery: Literal["exactly-once", "at-least-once"] = "exactly-once"
    start: str = Field("earliest", description="where to begin when nothing was committed: earliest, latest, a time")
    accept_cold_state: bool = Field(False, description="go on with empty state where offsets or rebuild points expired")
    instance_id: str = Field("", description="a static member of the group; classic protocol only")
    poll_records: int = Field(10_000, ge=1, description="most records of one poll")
    poll_timeout_ms: int = Field(50, ge=0)
    commit_interval_ms: int = Field(200, ge=1)
    checkpoint_interval_ms: int = Field(1000, ge=1)
    checkpoint_records: int = Field(100_000, ge=1)
    max_replay_records: int = Field(50_000_000, ge=1, description="stop when a lost state would take a longer replay")
    max_transaction_outputs: int = Field(50_000, ge=1)
    max_transaction_bytes: int = Field(64 << 20, ge=1)
    transaction_timeout_ms: int = Field(10_000, ge=1000)
    session_timeout_ms: int = Field(6_000, ge=1000)
    commit_deadline_ms: int = Field(30_000, ge=1000, description="how long an unknown outcome is asked after")
    shutdown_deadline_ms: int = Field(20_000, ge=1000)
    compile_first: bool = Field(
        True, description="have every inner loop compiled or loaded before joining the group, not at the first record"
    )
    fail_at: str = Field("", description="for kill tests only: step:count:signal, as in produced:3:SIGKILL")
    anomaly_format: Literal["json", "avro"] = Field("json", description="encoding of the records on anomaly.* topics")

    @field_validator("start")
    @classmethod
    def _is_a_place_in_the_log(cls, start: str) -> str:
        if start in ("earliest", "latest"):
            return start
        try:
            zone = datetime.fromisoformat(start).tzinfo
        except ValueError:
            raise ValueError("must be earliest, latest or a time such as 2026-03-01T00:00:00Z") from None
        if zone is None:
            raise ValueError(f"says no time zone: write {start}Z for UTC")
        return start


class HttpSettings(Section):
    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535, description="/livez /readyz /metrics; 0 takes a free port and logs it")


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class SchemaRegistrySettings(Section):
    url: str = Field("", description="empty: Avro single-object encoding")


class RegistrySettings(Section):
    url: str = Field("./registry", description="folder or fsspec URL of the model registry; empty: fallback only")
    trusted_keys: list[str] = Field(
        default_factory=list, description="public keys (ed25519:…); if any, bundles signed by none of them are refused"
    )
    signing_key: str = Field("", description="PEM file with the private key that `train` signs what it stores with")

    @field_validator("trusted_keys")
    @classmethod
    def _are_keys(cls, keys: list[str]) -> list[str]:
        for key in keys:
            if not re.fullmatch("ed25519:[A-Za-z0-9+/]{43}=", key):
                raise ValueError(
                    f"{key!r} is no public key; expected ed25519: and 44 characters (`faultline models keygen`)"
                )
        return keys


class IntakeSettings(Section):
    entity: str = Field(
        "[{env}/][{namespace}/]{service}", description="template over attributes; [..] is left out when missing"
    )
    mapping: str = Field("", description="YAML file with the field mapping of plain JSON; empty: the built-in one")
    syslog: str = Field("", description="YAML file with a field mapping for syslog lines; empty: as documented")
    otlp: str = Field("", description="YAML file with sections of the OTLP mapping; empty: the built-in one")
    machines: str = Field("", description="YAML file with the mapping of agents' metrics; empty: the built-in one")
    collectd_rates: bool = Field(
        True, description="collectd sends what counts per second (StoreRates true); false: as it was counted"
    )
    formats: dict[str, str] = Field(
        default_factory=dict,
        description="wire format by raw topic (canonical, fields, …); others are told by their bytes",
    )
    counters: list[str] = Field(
        default_factory=list,
        description="patterns of metrics that count up, where Telegraf, Beats, Vector do not say so",
    )
    redact: list[RedactionRule] = Field(
        default_factory=list, description="texts of attributes and labels to drop, replace or hash (docs/intake.md)"
    )
    redact_key: SecretStr = Field(SecretStr(""), description="secret of the hash")
    prometheus_entity: str = Field(
        "[{cluster}/][{namespace}/]{job}[/{instance}]", description="template over the labels of remote-write series"
    )
    prometheus_counters: list[str] = Field(
        default_factory=lambda: ["*_total", "*_count", "*_sum", "*_bucket"],
        description="patterns of the names of series that count up",
    )
    message_bytes: int | None = Field(
        None,
        ge=0,
        le=32_768,
        description="how much of a log event's text is kept, as the attribute message; 0: none. "
        "Empty: 1024 where windows.log_templates is set, else none",
    )
    zone: str = Field("UTC", description="IANA zone of times written without one: older syslog, plain JSON")
    max_record_bytes: int = Field(900_000, ge=1, description="a larger record, raw or canonical, is a dead letter")
    max_unpacked_bytes: int = Field(
        16 << 20, ge=1, description="a record that its producer compressed is a dead letter if it unpacks to more"
    )

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        return checked_zone(zone)

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        checked_key(self.redact_key.get_secret_value(), self.redact)
        return self


class WindowsSettings(Section):
    profiles: str = Field("", description="YAML file or folder with profiles beside or instead of the shipped ones")
    enabled: list[str] = Field(default_factory=lambda: ["service", "host", "generic"])
    log_templates: str = Field(
        "", description="file of templates (path or fsspec URL), mined by `templates mine`; turns on the profile logs"
    )
    lateness_ms: int = Field(10_000, ge=0)
    idle_timeout_ms: int = Field(30_000, ge=0, description="a quiet partition gets a tick after this; 0: never")
    max_skew_ms: int = Field(300_000, ge=0)
    retire_after_ms: int = Field(3_600_000, ge=1)
    max_entities: int = Field(200_000, ge=1, description="entities a partition; the least recently active is evicted")
    max_metrics: int = Field(256, ge=1, description="metrics an entity")
    view_ttl_s: int = Field(7_200, ge=1, description="life of the readable windows in Redis")
    view_every_ms: int = Field(10_000, ge=1, description="event time between two readable windows of one entity")


class ScoringSettings(Section):
    cache_mb: int = Field(1_024, ge=1, description="MB of models kept in memory a process; the least recently used go")
    timezone: str = Field("UTC", description="zone of the behavioural periods, for training; bundles keep theirs")
    timezones: dict[str, str] = Field(
        default_factory=dict, description="other zones: by profile (host), or by pattern of scopes (entity=berlin-*)"
    )
    holidays: list[str] = Field(default_factory=list, description="local dates (YYYY-MM-DD) that count as weekend")
    groups: dict[str, str] = Field(
        default_factory=dict, description="model groups: name and pattern of its entities (payments: pay-*)"
    )
    own_thresholds: bool = Field(
        True, description="each entity finds its own boundary; false: as calibrated in training"
    )
    watch_drift: bool = Field(True, description="a record a day and entity: how far it lies from training")
    severity_medium: float = Field(1.5, ge=1, le=10, description="medium from this anomaly score on (low: 1.0)")
    severity_high: float = Field(2.0, ge=1, le=10, description="high from this anomaly score on")
    severity_critical: float = Field(3.0, ge=1, le=10, description="critical from this anomaly score on")

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if not self.severity_medium <= self.severity_high <= self.severity_critical:
            raise ValueError("severity_medium, severity_high and severity_critical must ascend")
        return self

    @field_validator("timezones")
    @classmethod
    def _are_somewhere(cls, zones: dict[str, str]) -> dict[str, str]:
        for where in zones:
            if not where or ("=" in where and not where.startswith(("entity=", "group="))):
                raise ValueError(f"{where!r} is neither the name of a profile nor entity=PATTERN or group=PATTERN")
        return zones


class MetricSettings(Section):
    """What people know about metrics (`models.knowledge.Rule`)."""

    metric: str = Field(min_length=1, description="pattern of metrics (cpu_*); of services: latency, errors, events, …")
    entity: str = Field("", description="pattern of entities; empty: all, or those of the group")
    group: str = Field("", description="a group of scoring.groups, instead of a pattern of entities")
    direction: Literal["both", "up", "down"] | None = Field(None, description="where trouble lies")
    least: float | None = Field(None, ge=0, description="smallest deviation from the expected value that matters")
    least_ratio: float | None = Field(None, ge=0, description="the same as a share of the expected value")
    least_events: int | None = Field(None, ge=0, description="fewer events in a value's window say nothing about it")
    least_count: float | None = Field(
        None, ge=0, description="of shares of a service's events: smallest deviation that matters, in events"
    )
    valid: tuple[float, float] | None = Field(None, description="lowest and highest value there can be (host, generic)")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.entity and self.group:
            raise ValueError("give entity or group, not both")
        if self.valid is not None and not self.valid[0] <= self.valid[1]:
            raise ValueError(f"valid must be the lowest and the highest value, not {list(self.valid)}")
        said = (self.direction, self.least, self.least_ratio, self.least_events, self.least_count, self.valid)
        if all(one is None for one in said):
            raise ValueError("says nothing: give direction, least, least_ratio, least_events, least_count or valid")
        return self


class IncidentsSettings(Section):
    open_windows: int = Field(3, ge=1, description="m: anomalous windows that open an incident …")
    open_of: int = Field(5, ge=1, le=100, description="n: … among this many")
    resolve_windows: int = Field(3, ge=1, description="k: clean windows in a row that resolve it")
    clear_below: float = Field(0.8, gt=0, le=1, description="a window is clean below this anomaly score")
    lower_windows: int = Field(6, ge=1, description="windows in a row below an incident's severity that lower it")
    close_after_ms: int = Field(900_000, ge=0, description="grace in which a resolved incident can reopen")
    continue_every_ms: int = Field(300_000, ge=0)
    flap_reopens: int = Field(3, ge=1, description="reopenings from which on an incident counts as flapping")
    flap_resolve_windows: int = Field(12, ge=1, description="clean windows in a row that resolve a flapping incident")
    abandon_after_ms: int = Field(172_800_000, ge=1, description="an entity without any score this long is given up")
    max_age_ms: int = Field(604_800_000, ge=1, description="an incident open this long is closed as the new normal")
    feedback_rules: int = Field(500, ge=1, le=10_000, description="rules of feedback that may be in force at a time")

    @model_validator(mode="after")
    def _can_open(self) -> Self:
        if self.open_windows > self.open_of:
            raise ValueError(
                f"open_windows ({self.open_windows}) is above open_of ({self.open_of}): no incident would ever open"
            )
        return self


class FeedbackSettings(Section):
    token: str = Field("", description="what requests to `feedback listen` must carry as their bearer token")
    pagerduty_secret: str = Field("", description="what PagerDuty signs its webhooks with; empty: none are taken")


class GroupsSettings(Section):
    calls: str = Field("", description="CSV or JSON file of who calls whom (caller, callee); empty: not known")
    labels: dict[str, str] = Field(
        default_factory=dict, description="name and pattern of entities that are grouped among themselves only"
    )
    hops: int = Field(2, ge=1, description="entities so many calls apart belong together")
    join_within_ms: int = Field(
        300_000, ge=0, description="incidents that open so close to a group's first belong to it, calls not known"
    )
    continue_every_ms: int = Field(60_000, ge=0, description="a group that changes reports at most this often")
    patience_ms: int = Field(30_000, ge=0, description="a partition that is quiet this long is not waited for")


class HistorySettings(Section):
    url: str = Field(
        "sqlite:///faultline-history.db",
        description="where the history worker writes: sqlite:///file.db or postgresql://user:password@host/database",
    )
    retention_days: float = Field(
        365, ge=0, description="closed incidents are kept so long, by event time; 0: for ever"
    )
    batch_events: int = Field(1_000, ge=1, le=10_000, description="events of one database transaction")

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, url: str) -> str:
        if not url.startswith(("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")):
            raise ValueError("begins with sqlite:/// or postgresql://")
        return url


class ArchiveSettings(Section):
    url: str = Field("./archive", description="folder or fsspec URL where the archive worker puts Parquet files")
    kinds: list[Literal["vectors", "scores", "events"]] = Field(
        ["vectors"], description="which records are archived: vectors, scores, events"
    )
    file_rows: int = Field(100_000, ge=1, description="a partition's rows are written when there are so many …")
    file_seconds: float = Field(120, gt=0, description="… or the oldest is held so long …")
    buffer_bytes: int = Field(64 << 20, ge=1 << 20, description="… or all that is held takes so much memory")
    retention_days: float = Field(0, ge=0, description="days are removed so long after their end; 0: never")

    @field_validator("kinds")
    @classmethod
    def _are_some(cls, kinds: list[str]) -> list[str]:
        if not kinds or len(set(kinds)) < len(kinds):
            raise ValueError("names at least one of vectors, scores and events, each once")
        return kinds


class SourceSettings(Section):
    entity: str = Field("", description="what `source host` calls this machine; empty: its host name")
    proc: str = Field(
        "",
        description="where `source host` finds /proc of the machine that it watches from inside a container; "
        "empty: HOST_PROC, else /proc",
    )
    sys: str = Field("", description="the same for /sys; empty: HOST_SYS, else /sys")
    root: str = Field("", description="the file system whose filling it tells; empty: HOST_ROOT, else /")
    scope: Literal["auto", "machine", "container"] = Field(
        "auto",
        description="what CPU and memory are shares of: the machine or the container's limits; auto: these if there "
        "are any and no other /proc is named",
    )
    loopback: bool = Field(False, description="count traffic of the machine with itself as well")
    patience_seconds: float = Field(600, gt=0, description="how long a sample of `source host` waits for Kafka")


class OpenSearchSettings(Section):
    url: str = Field("", description="the cluster that `opensearch` and `source opensearch` read; the flag is --es-url")
    user: str = Field("", description="who reads it; a user in the URL serves as well")
    password: str = Field("", description="of that user; OPENSEARCH__PASSWORD_FILE names a file with it")
    token: str = Field("", description="a bearer token instead of user and password")
    ca_certs: str = Field("", description="PEM file of the authorities that may have signed the cluster's certificate")
    insecure: bool = Field(False, description="take any certificate")
    timeout_ms: int = Field(60_000, ge=100, description="how long one answer may take")
    patience_ms: int = Field(120_000, ge=0, description="how long a cluster that is away or busy is asked again")


class Settings(Section):
    """All settings of one process."""

    namespace: str = Field(
        "",
        description="put, with a dot, before topics, groups, transactional ids and Redis keys",
    )
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    topics: TopicSettings = TopicSettings()
    registry: RegistrySettings = RegistrySettings()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    intake: IntakeSettings = IntakeSettings()
    windows: WindowsSettings = WindowsSettings()
    scoring: ScoringSettings = ScoringSettings()
    incidents: IncidentsSettings = IncidentsSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    groups: GroupsSettings = GroupsSettings()
    history: HistorySettings = HistorySettings()
    notify: NotifySettings = NotifySettings()
    archive: ArchiveSettings = ArchiveSettings()
    source: SourceSettings = SourceSettings()
    victoriametrics: VictoriaMetricsSettings = VictoriaMetricsSettings()
    score: ScoreSettings = ScoreSettings()
    opensearch: OpenSearchSettings = OpenSearchSettings()
    metrics: list[MetricSettings] = Field(
        default_factory=list, description="what is known about metrics; later entries override earlier ones"
    )

    @field_validator("namespace")
    @classmethod
    def _can_begin_a_topic_name(cls, namespace: str) -> str:
        if namespace and not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", namespace):
            raise ValueError(
                "may hold letters, digits, _ - and dots inside (the dot after it is added): staging, eu.prod"
            )
        return namespace

    @property
    def prefix(self) -> str:
        """What goes before a default name: `staging.`, or nothing."""
        return f"{self.namespace}." if self.namespace else ""

    def with_registry(self, url: str) -> Self:
        """With a registry of this process's own, in which nobody has to sign; none if empty."""
        return self.model_copy(update={"registry": RegistrySettings(url=url)})

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.worker.instance_id and self.kafka.group_protocol == "consumer":
            raise ValueError(
                "worker.instance_id needs kafka.group_protocol=classic (or auto): under the consumer protocol a static "
                "member that restarts is refused and then owns nothing"
            )
        for number, one in enumerate(self.metrics):
            if one.group and one.group not in self.scoring.groups:
                raise ValueError(f"metrics.{number}.group: scoring.groups has no group {one.group!r}")
        if self.worker.commit_interval_ms >= self.worker.transaction_timeout_ms:
            raise ValueError(
                "worker.commit_interval_ms must be below worker.transaction_timeout_ms, or the broker aborts every "
                "transaction before it is committed"
            )
        return self


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process, from `environ` (default: the real one) over the YAML file it may name.

    Default topic names carry the namespace; names given explicitly do not. `SettingsError` names everything that is
    wrong at once, each with the fix.
    """
    environ = os.environ if environ is None else environ
    values = Values()
    config = environ.get(CONFIG_VARIABLE)
    if config:
        read_yaml(Settings, Path(config), values)
    ours = {n: v for n, v in environ.items() if n != CONFIG_VARIABLE and not n.startswith(_NOT_SETTINGS)}
    read_environment(Settings, PREFIX, ours, values)
    read_aliases(ALIASES, environ, values)
    problems = list(values.problems)
    try:
        settings = Settings.model_validate(values.tree)
    except ValidationError as error:
        problems += explain(error, values)
    if problems:
        raise SettingsError(problems)
    return _with_namespace(settings)


def _with_namespace(settings: Settings) -> Settings:
    """The default topic names with the namespace before them."""
    topics = settings.topics
    names = {name: getattr(topics, name) for name in TopicSettings.model_fields.keys() - topics.model_fields_set}
    renamed: dict[str, object] = {n: settings.prefix + v for n, v in names.items() if isinstance(v, str)}
    if "raw" in names:
        renamed["raw"] = [settings.prefix + name for name in topics.raw]
    return settings.model_copy(update={"topics": topics.model_copy(update=renamed)})


def _scalar(value: object) -> object:
    """YAML's true and 5 as librdkafka writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value
