"""`faultline status`: who works on what, how far behind, how far event time has come, and with which models."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from workers.addresses import without_secrets
from workers.cli import cluster, drifting, judging, shadow
from workers.cli.archiving import topics_of as archived_topics
from workers.cli.clients import TIMEOUT, connect
from workers.cli.failures import Failure
from workers.cli.output import console, print_json, print_table
from workers.cli.usable import passed_over
from workers.notify.building import topic_of
from workers.runtime.metadata import CommitMetadata
from workers.runtime.stage import NO_WATERMARK
from workers.settings import Settings, load_settings

app = typer.Typer(help="Groups, owners, lag, oldest watermark and models.")

Place = tuple[str, int]

_MOST_DRIFT = 20_000
"""Records of drift that are read: about two seconds' work."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process of a worker and the partitions it owns."""

    client_id: str
    host: str
    owned: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One consumer group. `lag` by topic; `watermark` is the oldest over the partitions, epoch microseconds."""

    worker: str
    group: str
    state: str
    protocol: str
    members: tuple[Member, ...]
    partitions: int
    lag: Mapping[str, int]
    watermark: int | None
    watermark_at: Place | None
    configurations: int

    @property
    def owned(self) -> int:
        return sum(len(member.owned) for member in self.members)


@app.command()
def status(
    owners: Annotated[bool, typer.Option("--owners", help="Also which process owns which partitions.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """How the installation is doing: each worker's group, its lag, the oldest watermark, the models in the registry.

    Lag is in committed records. The watermark is the event time up to which a partition is complete; the oldest one
    says how late the latest news is. Lag with no member: start the worker. Lag with members: add some, or look at
    the logs. No lag and an old watermark: the producers are quiet, or their clocks are wrong. Where a scope has a
    challenger, its latest scores stand beside the champion's. Drift is what the last two days' records say. Without
    Kafka the models are told all the same, and the exit code is 1.

    Example: faultline status --json | jq '.workers[] | select(.lag > 100000)'
    """
    settings = load_settings()
    try:
        admin = connect(settings)
    except Failure as away:
        _without_kafka(settings, as_json, str(away))
        raise
    workers = [worker_status(admin, settings, name, topics) for name, topics in inputs(settings).items()]
    more = [worker_status(admin, settings, name, topics) for name, topics in optional_inputs(settings).items()]
    workers += [worker for worker in more if worker.state != "absent"]
    models, trouble = _models(settings)
    found, unread = _shadows(settings, admin, shadow.in_shadow(models))
    drift, unmeasured = _drift(settings)
    rules, unheard = judging.rules_in_force(settings)
    if as_json:
        print_json(
            {
                "workers": [_document(worker) for worker in workers],
                "kafka_error": None,
                "models": models,
                "models_error": trouble,
                "models_passed_over": champions_passed_over(settings, models),
                "shadow": None if found is None else shadow.document(found),
                "shadow_error": unread,
                "drift": None if drift is None else drift.document()["scopes"],
                "drift_error": unmeasured,
                "feedback_in_force": rules,
                "feedback_error": unheard,
            }
        )
        return
    now = int(time.time() * 1e6)
    print_table(
        ("worker", "group", "state", "protocol", "processes", "partitions owned", "lag", "oldest watermark", "behind"),
        [_row(worker, now) for worker in workers],
    )
    for worker in workers:
        if worker.configurations > 1:
            console().print(
                f"{worker.worker}: partitions were committed under {worker.configurations} different configurations; "
                "all its processes must have the same settings"
            )
    if owners:
        print_table(("worker", "process", "host", "partitions"), _owners(workers), title="\nowners")
    _print_models(settings, models, trouble)
    if found is not None:
        print_table(
            ("profile", "scope", "role", "version", "vectors", "mean score", "anomalous", "same verdict"),
            shadow.rows(found.shadows),
            title=f"\nchallengers in shadow, by the latest {found.records:,} scores of the last hour",
        )
    elif unread is not None:
        console().print(f"\nchallengers in shadow: {unread}", markup=False)
    if drift is not None and drift.days:
        print_table(drifting.COLUMNS, drift.rows(), title="\ndrift over the last two days (`faultline drift` has more)")
    elif unmeasured is not None:
        console().print(f"\ndrift: {unmeasured}", markup=False)
    if rules or unheard is not None:
        told = f"{rules:,} rules hold incidents back (`faultline feedback list`)" if unheard is None else unheard
        console().print(f"\nfeedback: {told}", markup=False)


def _without_kafka(settings: Settings, as_json: bool, why: str) -> None:
    """What can be told while Kafka is away: the models."""
    models, trouble = _models(settings)
    if as_json:
        over = champions_passed_over(settings, models)
        told = {"models": models, "models_error": trouble, "models_passed_over": over}
        print_json({"workers": None, "kafka_error": why, **told})
    else:
        _print_models(settings, models, trouble)


def _print_models(settings: Settings, models: Sequence[dict[str, str | None]], trouble: str | None) -> None:
    print_table(
        ("profile", "scope", "champion", "challenger"),
        [tuple(model.values()) for model in models] or [(trouble or "none: the untrained fallback scores", "", "", "")],
        title=f"\nmodels in {without_secrets(settings.registry.url) or '(no registry)'}",
    )
    for version, why in champions_passed_over(settings, models).items():
        console().print(f"{version}: {why}", markup=False)


def _models(settings: Settings) -> tuple[list[dict[str, str | None]], str | None]:
    """The models, or why they cannot be told: a registry that is away must not hide how the workers are."""
    try:
        return registered_models(settings), None
    except Failure as failure:
        return [], str(failure)


def _shadows(
    settings: Settings, admin: AdminClient, served: Sequence[shadow.Served]
) -> tuple[shadow.Recent | None, str | None]:
    """How challengers do, or why that cannot be told; neither where there is no challenger."""
    if not served:
        return None, None
    try:
        return shadow.recent(settings, admin, served), None
    except Failure as failure:
        return None, str(failure)
    except KafkaException as error:
        return None, f"Kafka: {error.args[0].str()}"


def _drift(settings: Settings) -> tuple[drifting.Drift | None, str | None]:
    """How far the last days are from training, or why that cannot be told."""
    try:
        return drifting.Drift.of(drifting.written(settings, "2d", _MOST_DRIFT)), None
    except Failure as failure:
        return None, str(failure)
    except KafkaException as error:
        return None, f"Kafka: {error.args[0].str()}"


def inputs(settings: Settings) -> dict[str, list[str]]:
    """What each worker reads."""
    topics = settings.topics
    return {
        "intake": list(topics.raw),
        "windows": [topics.events],
        "scoring": [topics.features],
        "incidents": [topics.scores],
        **{f"notify-{name}": [topic_of(settings, name)] for name in sorted(settings.notify.targets)},
    }


def optional_inputs(settings: Settings) -> dict[str, list[str]]:
    """The same of workers that not every installation runs."""
    return {
        **{name: [settings.topics.incidents] for name in ("groups", "history")},
        "archive": list(archived_topics(settings)),
    }


def worker_status(admin: AdminClient, settings: Settings, worker: str, topics: Sequence[str]) -> WorkerStatus:
    """The group of a worker as the broker knows it; state `absent` where there never was one."""
    group = f"{settings.prefix}faultline-{worker}"
    state, protocol, members, offsets = _group(admin, group)
    committed = {(c.topic, c.partition): c for c in offsets if c.topic in topics}
    found = cluster.topics(admin, topics)
    places = [(name, partition) for name, topic in found.items() for partition in range(topic.partitions)]
    starts, ends = cluster.starts(admin, places), cluster.ends(admin, places)
    lag: Counter[str] = Counter(dict.fromkeys(topics, 0))
    for place in places:
        lag[place[0]] += max(0, ends[place] - (committed[place].offset if place in committed else starts[place]))
    decoded = {place: CommitMetadata.decode(c.metadata) for place, c in committed.items()}
    known = {place: metadata for place, metadata in decoded.items() if metadata is not None}
    marks = {place: metadata.watermark for place, metadata in known.items() if metadata.watermark > NO_WATERMARK}
    oldest = min(marks, key=lambda place: marks[place]) if marks else None
    return WorkerStatus(
        worker=worker,
        group=group,
        state=state,
        protocol=protocol,
        members=members,
        partitions=len(places),
        lag=lag,
        watermark=marks[oldest] if oldest else None,
        watermark_at=oldest,
        configurations=len({metadata.config_hash for metadata in known.values()}),
    )


def _group(admin: AdminClient, group: str) -> tuple[str, str, tuple[Member, ...], list[cluster.Committed]]:
    """State, protocol, members, offsets. Only a group that exists is described: a broker without any may not answer."""
    listed = admin.list_consumer_groups(request_timeout=TIMEOUT).result(TIMEOUT)
    if group not in {one.group_id for one in listed.valid}:
        return "absent", "", (), []
    described = admin.describe_consumer_groups([group], request_timeout=TIMEOUT)[group].result(TIMEOUT)
    members = tuple(_member(member) for member in described.members)
    return described.state.name.lower(), described.type.name.lower(), members, cluster.committed(admin, group)


def registered_models(settings: Settings) -> list[dict[str, str | None]]:
    """The versions in force for every profile and scope; none without a registry. `Failure` if it cannot be read."""
    from models.registry import Registry

    if not settings.registry.url:
        return []
    try:
        served = list(Registry(settings.registry.url).in_force())
    except Exception as error:  # a missing driver, a wrong scheme, no credentials: each storage has its own
        raise Failure(f"{settings.registry.url}: {error}") from error
    return [
        {"profile": profile, "scope": scope, "champion": aliases.champion, "challenger": aliases.challenger}
        for profile, scope, aliases in served
    ]


def champions_passed_over(settings: Settings, models: Sequence[Mapping[str, str | None]]) -> dict[str, str]:
    """Why workers of these settings would not use a champion, by version. What cannot be read is told of by workers."""
    from models.manifest import BundleError, Manifest
    from models.registry import Registry, RegistryError

    served = [one for one in models if one["champion"] is not None]
    if not served:
        return {}
    registry, heads = Registry(settings.registry.url), dict[str, Manifest]()
    for one in served:
        with suppress(BundleError, RegistryError):
            heads[str(one["champion"])] = registry.open(
                *(str(one[k]) for k in ("profile", "scope", "champion"))
            ).manifest
    return passed_over(settings, heads)


def _member(member: Any) -> Member:
    owned = [(tp.topic, tp.partition) for tp in member.assignment.topic_partitions]
    return Member(member.client_id, member.host.lstrip("/"), tuple(sorted(owned)))


def _row(worker: WorkerStatus, now: int) -> tuple[object, ...]:
    mark = worker.watermark
    return (
        worker.worker,
        worker.group,
        worker.state,
        worker.protocol,
        len(worker.members),
        f"{worker.owned} of {worker.partitions}",
        sum(worker.lag.values()),
        "" if mark is None else _time(mark),
        "" if mark is None else _span((now - mark) / 1e6),
    )


def _owners(workers: Sequence[WorkerStatus]) -> list[tuple[str, str, str, str]]:
    return [
        (worker.worker, member.client_id, member.host, " ".join(f"{topic}:{p}" for topic, p in member.owned))
        for worker in workers
        for member in sorted(worker.members, key=lambda member: member.owned)
    ]


def _document(worker: WorkerStatus) -> dict[str, object]:
    return {
        "worker": worker.worker,
        "group": worker.group,
        "state": worker.state,
        "protocol": worker.protocol,
        "members": [
            {"client_id": m.client_id, "host": m.host, "partitions": [f"{topic}:{p}" for topic, p in m.owned]}
            for m in worker.members
        ],
        "partitions": worker.partitions,
        "partitions_owned": worker.owned,
        "lag": sum(worker.lag.values()),
        "lag_by_topic": dict(worker.lag),
        "oldest_watermark": None if worker.watermark is None else _time(worker.watermark),
        "oldest_watermark_at": None
        if worker.watermark_at is None
        else f"{worker.watermark_at[0]}:{worker.watermark_at[1]}",
        "configurations": worker.configurations,
    }


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _span(seconds: float) -> str:
    """12 s, 4 min, 3.2 h, 5.0 d; times ahead of now are negative."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
