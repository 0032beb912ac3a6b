"""`faultline worker …`: one worker process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.settings import Settings, load_settings

if TYPE_CHECKING:
    from schemas.framing import Resolver, Writer
    from workers.runtime.metrics import Metrics
    from workers.runtime.outside import Outside
    from workers.runtime.run import OnIdle, ToOutside

app = typer.Typer(
    help="Run one worker. Each is one consumer group: more processes of a kind share its partitions, up to one each."
    "\n\nSettings come from the environment (FAULTLINE_…) and from FAULTLINE_CONFIG; see `faultline config show`.",
    no_args_is_help=True,
)

Cold = Annotated[
    bool,
    typer.Option(
        "--accept-cold-state",
        help="Go on with empty windows where offsets have expired or a rebuild is not possible any more. Use it once, "
        "when the worker stopped and told you to.",
    ),
]


@app.command()
def intake(accept_cold_state: Cold = False) -> None:
    """Raw records of any wire format into canonical events, keyed by entity.

    Example: FAULTLINE_TOPICS__RAW='["logs", "otel"]' faultline worker intake
    """
    from workers.cli.warming import made_up_raw, warmed
    from workers.intake.stage import build

    t = _settings(accept_cold_state)

    def stage(counts: dict[str, int]) -> Any:
        return warmed(build(t, counts, *_framed(t, t.topics.events, "Event")), t, t.topics.raw[0], made_up_raw)

    _run(t, "intake", t.topics.raw, [t.topics.events], stage, alike=False)


@app.command()
def windows(accept_cold_state: Cold = False) -> None:
    """Events into rolling windows (readable in Redis) and feature vectors.

    Example: FAULTLINE_WINDOWS__ENABLED='["service"]' faultline worker windows
    """
    from workers.cli.warming import made_up_events, warmed
    from workers.topics import state_topic
    from workers.windows.stage import build
    from workers.windows.ticking import Ticking

    t = _settings(accept_cold_state)
    outputs = [t.topics.features, state_topic(t, "windows")]

    def stage(counts: dict[str, int]) -> Any:
        return warmed(build(t, *_framed(t, t.topics.features, "Vector")), t, t.topics.events, made_up_events)

    _run(t, "windows", [t.topics.events], outputs, stage, on_idle=lambda m: Ticking(t, m))


@app.command()
def scoring(accept_cold_state: Cold = False) -> None:
    """Feature vectors into calibrated scores with reasons.

    Example: FAULTLINE_REGISTRY__URL=s3://models/faultline faultline worker scoring
    """
    from workers.scoring.stage import build
    from workers.topics import state_topic

    t = _settings(accept_cold_state)
    outputs = [t.topics.scores, t.topics.anomalies, t.topics.drift, state_topic(t, "scoring")]
    written = "Score" if t.worker.anomaly_format == "avro" else ""
    _run(t, "scoring", [t.topics.features], outputs, lambda counts: build(t, *_framed(t, t.topics.scores, written)))


@app.command()
def incidents(accept_cold_state: Cold = False) -> None:
    """Scores into incidents that open and close by a published rule.

    Example: FAULTLINE_INCIDENTS__OPEN_WINDOWS=2 faultline worker incidents
    """
    from workers.cli.warming import made_up_scores, warmed
    from workers.incidents.stage import build
    from workers.topics import state_topic

    t = _settings(accept_cold_state)
    outputs = [t.topics.incidents, t.topics.incident_state, state_topic(t, "incidents")]

    def stage(counts: dict[str, int]) -> Any:
        avro = t.worker.anomaly_format == "avro"
        event, resolver = _framed(t, t.topics.incidents, "IncidentEvent" if avro else "")
        state, _ = _framed(t, t.topics.incident_state, "IncidentState" if avro else "")
        framing = {"IncidentEvent": event, "IncidentState": state} if event and state else None
        return warmed(build(t, framing, resolver), t, t.topics.scores, made_up_scores)

    _run(t, "incidents", [t.topics.scores], outputs, stage)


@app.command()
def groups(accept_cold_state: Cold = False) -> None:
    """Incidents of several entities into groups with a probable root cause. One process for all partitions.

    Example: FAULTLINE_GROUPS__CALLS=calls.csv faultline worker groups
    """
    from workers.groups.worker import run_groups

    t = _settings(accept_cold_state)
    written = "GroupEvent" if t.worker.anomaly_format == "avro" else ""
    raise typer.Exit(run_groups(t, *_framed(t, t.topics.groups, written)))


@app.command()
def history(accept_cold_state: Cold = False) -> None:
    """Incidents into SQL tables, SQLite or PostgreSQL, where `faultline incidents list` finds them.

    Example: FAULTLINE_HISTORY__URL=postgresql://faultline@db/faultline faultline worker history
    """
    from workers.cli.history_reading import needs_history

    needs_history("worker history")
    from workers.history.delivery import DeliveryPolicy, HistoryDatabase
    from workers.history.stage import HistoryStage
    from workers.runtime.clock import SystemClock

    t = _settings(accept_cold_state)
    policy = DeliveryPolicy.of(t.history, t.incidents.flap_reopens)
    _, resolver = _framed(t, t.topics.incidents, "")

    def outside(metrics: Metrics) -> Outside:
        return HistoryDatabase(policy, SystemClock())

    _run(t, "history", [t.topics.incidents], [], lambda counts: HistoryStage(resolver), outside=outside)


@app.command()
def notify(
    target: Annotated[
        str, typer.Option(help="Only this one of `notify.targets`; else each in a process of its own.")
    ] = "",
    accept_cold_state: Cold = False,
) -> None:
    """Incidents (or groups) into pages: Alertmanager, PagerDuty, Slack, webhooks, files, Kafka.

    Each target is a consumer group of its own, so that one that is away delays nobody else.

    Example: faultline worker notify --target oncall
    """
    from workers.cli.notifying import follow, notifier, run_all, wanted
    from workers.notify.building import topic_of
    from workers.schema_registry import schema_ids

    t = _settings(accept_cold_state)
    targets = wanted(t, target)
    if len(targets) > 1:
        raise typer.Exit(run_all(t, targets))
    one = notifier(t, targets[0])

    def stage(counts: dict[str, int]) -> Any:
        ids = schema_ids(t)
        follow(t, one)
        return one.stage(ids.resolve if ids else None)

    _run(
        t,
        f"notify-{targets[0]}",
        [topic_of(t, targets[0])],
        [],
        stage,
        on_idle=lambda _: one.standing(),
        outside=lambda metrics: one.outside(metrics.registry),
    )


def _framed(settings: Settings, topic: str, record: str) -> tuple[Writer | None, Resolver | None]:
    """How a record is framed on a topic (None: by fingerprint), and who knows the schemas of others' ids."""
    from workers.schema_registry import schema_ids

    ids = schema_ids(settings)
    if ids is None:
        return None, None
    return ids.writer(topic, record) if record else None, ids.resolve


def _settings(accept_cold_state: bool) -> Settings:
    settings = load_settings()
    if not accept_cold_state:
        return settings
    worker = settings.worker.model_copy(update={"accept_cold_state": True})
    return settings.model_copy(update={"worker": worker})


def _run(
    settings: Settings,
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    build: Callable[[dict[str, int]], Any],
    on_idle: Callable[[Metrics], OnIdle] | None = None,
    alike: bool = True,
    outside: ToOutside | None = None,
) -> None:
    from workers.runtime.errors import Fatal
    from workers.runtime.kafka_topics import Topics
    from workers.runtime.run import run_worker

    def built(topics: Topics) -> Any:
        counts = topics.counts([*inputs, *outputs])
        if alike and len(set(counts.values())) > 1:
            raise Fatal(
                f"these topics must have the same number of partitions: {counts}",
                "A key must lie in the same partition of all of them: faultline topics list shows what is there",
            )
        return build(counts)

    raise typer.Exit(run_worker(settings, name, inputs, outputs, built, on_idle, outside))
