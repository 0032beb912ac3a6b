"""Where `faultline incidents diff` gets scores from: files of scores, the topic, or telemetry scored anew."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.registry import Aliases, Entry, Registry
from schemas.columns import Vectors
from schemas.records import decode
from workers.cli import cluster
from workers.cli.clients import connect
from workers.cli.failures import WrongUse
from workers.cli.incident_replay import Replay, Score, score_of
from workers.cli.offline import Feed, feature_records, select
from workers.cli.reading import offsets_at, to_end
from workers.cli.tailing import decoded
from workers.cli.voice import Voice
from workers.runtime.records import Output
from workers.scoring.loading import Loading
from workers.scoring.policy import Policy
from workers.scoring.stage import ScoringStage
from workers.settings import Settings

_BATCH = 2_000
_LINES = (".ndjson", ".jsonl")


@dataclass(slots=True)
class Span:
    """Scores whose windows end in [since, until), epoch microseconds; and what of it there was."""

    since: int | None
    until: int | None
    first: int | None = None
    last: int | None = None
    scores: int = 0

    def of(self, scores: Iterator[Score] | Sequence[Score]) -> list[Score]:
        """Those in the span, counted."""
        mine = [one for one in scores if self._has(one["window_end"])]
        for one in mine:
            self.first = min(one["window_start"], one["window_start"] if self.first is None else self.first)
            self.last = max(one["window_end"], one["window_end"] if self.last is None else self.last)
        self.scores += len(mine)
        return mine

    def _has(self, end: int) -> bool:
        return (self.since is None or end >= self.since) and (self.until is None or end < self.until)


def from_files(files: Sequence[Path], span: Span, sides: Sequence[Replay]) -> None:
    """Scores of files, in time order over all of them, into each side. Raises `WrongUse`."""
    found = sorted((one for file in files for one in _scores_of(file)), key=lambda score: score["window_end"])
    mine = span.of(found)
    for side in sides:
        side.take(mine)


def _scores_of(file: Path) -> Iterator[Score]:
    if not file.is_file():
        raise WrongUse(f"{file}: no such file")
    if file.suffix in _LINES:
        values: list[bytes | None] = [line for line in file.read_bytes().splitlines() if line.strip()]
        scores, faults = decode("Score", values)
        if faults:
            raise WrongUse(f"{file}, line {faults[0].record + 1} is no score: {faults[0].message}")
        yield from (score for score in scores if score is not None)
    elif file.suffix in (".parquet", ".pq"):
        yield from _rows(file)
    else:
        raise WrongUse(f"{file}: give what `backtest --out` wrote (.parquet) or `scores tail --json` (.ndjson)")


def _rows(file: Path) -> Iterator[Score]:
    """The rows of a backtest: a window of an entity begins where the one before it ended."""
    import pyarrow.parquet as pq  # here and below: what is on the topics can be replayed where there is no pyarrow

    from workers.sources.replay.tables import times_of

    table = pq.read_table(file)
    missing = {"entity", "timestamp", "anomaly_score"} - set(table.column_names)
    if missing:
        raise WrongUse(f"{file} has no {', '.join(sorted(missing))}: give what `faultline backtest --out` wrote")
    time = times_of(table.column("timestamp")).tolist()
    entity, value = table.column("entity").to_pylist(), table.column("anomaly_score").to_pylist()
    nothing = [None] * len(time)
    severity, blamed = (
        table.column(name).to_pylist() if name in table.column_names else nothing
        for name in ("severity", "contributions")
    )
    ended: dict[str, int] = {}
    for row in sorted(range(len(time)), key=time.__getitem__):
        name, end = entity[row], time[row]
        yield score_of(name, end, ended.get(name, end), value[row], severity[row], blamed[row] or ())
        ended[name] = end


def from_topic(settings: Settings, span: Span, sides: Sequence[Replay]) -> None:
    """Scores as they were committed, partition by partition as the workers take them."""
    for partition, batch in _batches(settings, settings.topics.scores, span):
        scores = span.of(list(decoded("Score", batch)))
        for side in sides:
            side.take(scores, partition)


def _batches(settings: Settings, topic: str, span: Span) -> Iterator[tuple[int, list[Any]]]:
    """Records that may be of the span, a batch of one partition at a time. A record is never written before its
    window's end, so that none before it needs to be read; it may be written long after, in a replay."""
    admin = connect(settings)
    starts = offsets_at(admin, topic, (span.since or 0) // 1_000)
    messages = to_end(settings, starts, cluster.ends(admin, starts))
    while batch := list(itertools.islice(messages, _BATCH)):
        by_partition: dict[int, list[Any]] = {}
        for message in batch:
            by_partition.setdefault(int(message.partition() or 0), []).append(message)
        yield from by_partition.items()


class _With(Registry):
    """The registry as it is, but with one version as the champion of its profile and scope."""

    def __init__(self, settings: Settings, candidate: Entry) -> None:
        super().__init__(settings.registry.url, settings.registry.trusted_keys)
        self._candidate = candidate

    def in_force(self) -> Iterator[tuple[str, str, Aliases]]:
        place = self._candidate.profile, self._candidate.scope
        yield from (one for one in super().in_force() if one[:2] != place)
        yield *place, Aliases(self._candidate.version)


def scorers(settings: Settings, candidate: Entry) -> list[Callable[[], ScoringStage]]:
    """What makes the scoring step of each side: the models in force, and those with the candidate among them."""
    registries = (Registry(settings.registry.url, settings.registry.trusted_keys), _With(settings, candidate))

    def stage(registry: Registry) -> Callable[[], ScoringStage]:
        return lambda: ScoringStage(Policy.of(settings), Loading(registry, settings.scoring.cache_mb))

    return [stage(registry) for registry in registries]


def scored_anew(
    data: Sequence[Path], settings: Settings, span: Span, sides: Sequence[Replay], candidate: Entry, voice: Voice
) -> None:
    """The vectors of DATA, or those on the topic where there is none, scored by each side's models."""
    steps = [_Scored(make, settings) for make in scorers(settings, candidate)]
    for partition, features in _features(data, settings, span, voice):
        for place, (step, side) in enumerate(zip(steps, sides, strict=True)):
            found = step.take(features, partition)
            side.take(span.of(found) if place == 0 else Span(span.since, span.until).of(found), partition)


class _Scored:
    """One side's scoring, a state of its own for every partition."""

    def __init__(self, make: Callable[[], ScoringStage], settings: Settings) -> None:
        self._make, self._topic = make, settings.topics
        self._feeds: dict[int, Feed] = {}

    def take(self, features: Sequence[Output], partition: int) -> list[Score]:
        if partition not in self._feeds:
            self._feeds[partition] = Feed(self._make(), self._topic.features)
        outputs = self._feeds[partition].take_outputs(features)
        values = [one.value for one in outputs if one.topic == self._topic.scores]
        found: list[Mapping[str, Any]] = [score for score in decode("Score", values)[0] if score is not None]
        return found


def _features(
    data: Sequence[Path], settings: Settings, span: Span, voice: Voice
) -> Iterator[tuple[int, Sequence[Output]]]:
    if not data:
        topic = settings.topics.features
        for partition, batch in _batches(settings, topic, span):
            yield partition, [Output(topic, message.key(), message.value()) for message in batch]
        return
    from workers.cli.backtesting import rows_of
    from workers.cli.learning_data import counted, open_tape

    rows = rows_of(data)

    def wanted(block: Vectors) -> list[bool]:
        return [rows.wants(*key) for key in zip(block.entity, block.window_end.tolist(), strict=True)]

    tape = open_tape(list(data), voice)
    with counted(tape, voice, "scoring") as blocks:
        for features in feature_records(blocks, settings):
            yield 0, select(features, wanted)
