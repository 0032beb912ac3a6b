"""The scoring worker: vectors of a partition in, a calibrated score with reasons out for each.

What is kept is which models are in force, logged to the state topic when it changes; and each entity's own threshold
(`own_thresholds`) and what its day was like (`drift`), logged there too and check-pointed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import structlog
from numpy.typing import NDArray

from models.registry import Aliases, Registry
from schemas.columns import Vectors
from schemas.framing import Resolver, Writer
from schemas.records import encode
from schemas.vectors import decode_vectors
from workers.progress import tells_time_alone
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.stage import Control, Logged, Part, RebuildPoint
from workers.scoring.aliases import Name, TakeUp, shard_of
from workers.scoring.blocks import Found, find_thresholds, judge_block, unjudged_records
from workers.scoring.controls import read_control
from workers.scoring.drift import Watched
from workers.scoring.judged import Judged
from workers.scoring.loading import Loading
from workers.scoring.lookup import Lookup
from workers.scoring.policy import Policy
from workers.scoring.scores import CHALLENGER, Encoder, Record
from workers.scoring.state import ScoringState
from workers.settings import Settings

log = structlog.get_logger(__name__)

_CHUNK_RECORDS = 2_048
"""Records scored and encoded at a time: bounds a chunk, and is what the kernels run best at."""


class ScoringStage:
    """`Stage` of the worker `scoring`, and `Controlled` by alias records.

    Counts: `processed`, `skipped_progress`, `dead`, `anomalies` (written to the topic of anomalies), `logged`
    (thresholds and days), those of drift (`Watched.counts`), and those of `blocks`.
    """

    name = "scoring"

    def __init__(
        self, policy: Policy, loading: Loading, framing: Writer | None = None, resolver: Resolver | None = None
    ) -> None:
        self._policy, self._loading = policy, loading
        self._encoder, self._framing, self._resolver = Encoder(policy.form, framing), framing, resolver
        self.config_hash = policy.hash
        self.state_topic: str | None = policy.log

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> ScoringState:
        return ScoringState.rebuild(partition, watermark, logged)

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> ScoringState:
        return ScoringState.restore(partition, parts)

    def parts(self, state: ScoringState) -> Mapping[str, Part]:
        return state.parts()

    def watermark(self, state: ScoringState) -> int:
        return state.watermark

    def rebuild_point(self, state: ScoringState) -> RebuildPoint | None:
        return state.rebuild_point()

    def step(self, state: ScoringState, records: Records) -> Iterator[Chunk]:
        start = 0
        while start < len(records):
            offset = int(records.offsets[start])
            logged = self._taken_first(state, offset)
            lookup = self._lookup(state, offset)
            stop = min(len(records), start + _CHUNK_RECORDS)
            if state.until is not None:
                stop = min(stop, int(np.searchsorted(records.offsets, state.until)))
            yield self._chunk(state, lookup, records.slice(start, stop), start, logged)
            start = stop
        if len(records) == 0:
            yield Chunk(0)

    def take_up(self, state: ScoringState, offset: int, controls: Sequence[Control]) -> list[Output]:
        """Put moved aliases into force from `offset` on, and log them; what does not load whole is left as it was."""
        changed = self._taken_first(state, offset)
        shards = set()
        for control in controls:
            name = self._take(state, offset, control)
            if name is not None:
                shards.add(shard_of(name))
        state.lookup = None
        return changed + self._log(state, shards)

    def _take(self, state: ScoringState, offset: int, control: Control) -> Name | None:
        """Take one control record up; the name whose aliases it moved."""
        try:
            moved = read_control(control)
        except ValueError as error:
            log.warning("control record not understood", key=control.key.decode("utf-8", "replace"), error=str(error))
            return None
        if moved is None:
            return None
        name, aliases = moved
        latest = state.aliases.latest(name)
        if latest is not None and (control.offset <= latest.control or latest.aliases == aliases):
            return None
        if self._put(state, name, TakeUp(offset, control.offset, aliases)):
            return name
        return None

    def _put(self, state: ScoringState, name: Name, taken: TakeUp) -> bool:
        problem = self._loading.problem(*name, taken.aliases)
        if problem is not None:
            state.deferred[name] = problem
            log.warning("models not put into force", profile=name[0], scope=name[1], error=problem)
            return False
        state.deferred.pop(name, None)
        state.aliases.put(name, taken)
        log.info("models in force", profile=name[0], scope=name[1], champion=taken.aliases.champion, at=taken.offset)
        return True

    def _taken_first(self, state: ScoringState, offset: int) -> list[Output]:
        """At a partition's very first record the registry's own aliases come into force."""
        if not state.fresh:
            return []
        state.fresh = False
        for profile, scope, aliases in self._loading.promoted():
            self._put(state, (profile, scope), TakeUp(offset, -1, aliases))
        return self._log(state, None)

    def _log(self, state: ScoringState, shards: set[int] | None) -> list[Output]:
        """The log records of these shards (None: of all)."""
        entries = state.aliases.encode() if shards is None else state.aliases.encode(sorted(shards))
        return [Output(self._policy.log, key, value) for key, value in entries]

    def _lookup(self, state: ScoringState, offset: int) -> Lookup:
        """What serves the record at `offset`; made anew where something changes."""
        if state.lookup is None or (state.until is not None and offset >= state.until):
            in_force: Mapping[Name, Aliases] = state.aliases.in_force(offset)
            state.lookup = Lookup(in_force, self._policy.groups, self._loading)
            state.until = state.aliases.next_change(offset)
        return state.lookup

    def _chunk(self, state: ScoringState, lookup: Lookup, records: Records, start: int, logged: list[Output]) -> Chunk:
        """Score some records. Outputs are in record order: champion (or fallback), its anomaly, challenger."""
        counts: Counter[str] = Counter()
        kept = [i for i, headers in enumerate(records.headers) if not tells_time_alone(headers)]
        blocks, faults = decode_vectors([records.values[i] for i in kept], resolver=self._resolver)
        outputs: list[list[Output]] = [[] for _ in range(len(records))]
        knowledge = self._policy.knowledge
        judged = [one for b in blocks for one in judge_block(b, lookup, self._loading, knowledge, counts)]
        watermarks = _watermarks(state.watermark, blocks, len(kept))
        judged, errors = state.errors.judge(judged, records.offsets[kept], watermarks)
        found = Found(judged, [])
        if self._policy.own_thresholds:
            found = find_thresholds(state.own, judged, records.offsets[kept], watermarks, self._loading)
        state.watermark = int(watermarks[-1])
        cuts = self._policy.cuts
        # Encoded one by one, so that each record's objects are gone before the next: thousands alive at a time
        # cost more in garbage collection than everything else here.
        for block in blocks:
            self._write(block, unjudged_records(block, cuts, counts), kept, outputs, counts)
        for one in found.judged:
            self._write(one.block, one.records(cuts, knowledge), kept, outputs, counts)
        watched = self._watch_drift(state, found.judged, records.offsets[kept], watermarks, counts)
        drifts = [drift for _, drift in watched.records]
        encoded = encode("Drift", drifts, self._policy.form, self._framing)
        for (record, drift), blob in zip(watched.records, encoded, strict=True):
            outputs[kept[record]].append(Output(self._policy.drift, drift["entity"].encode(), blob))
        entries = errors + found.logged + watched.logged
        for record, key, value in entries:
            outputs[kept[record]].append(Output(self._policy.log, key, value))
        counts["logged"] += len(entries)
        if len(records):
            state.next_offset = int(records.offsets[-1]) + 1
        counts["processed"] += len(kept) - len(faults)
        counts["skipped_progress"] += len(records) - len(kept)
        counts["dead"] += len(faults)
        dead = [DeadLetter(start + kept[f.record], f.error_class, f.message) for f in faults]
        return Chunk(
            start + len(records), outputs=logged + list(chain.from_iterable(outputs)), dead=dead, counts=+counts
        )

    def _watch_drift(
        self,
        state: ScoringState,
        judged: Sequence[Judged],
        offsets: NDArray[np.int64],
        watermarks: NDArray[np.int64],
        counts: Counter[str],
    ) -> Watched:
        if not self._policy.watch_drift:
            return Watched()
        watched = state.drift.watch(judged, offsets, watermarks, self._loading)
        counts.update(watched.counts())
        return watched

    def _write(
        self,
        block: Vectors,
        scores: Iterable[tuple[int, Record]],
        kept: list[int],
        outputs: list[list[Output]],
        counts: Counter[str],
    ) -> None:
        """Put the records of some rows of a block to the outputs of the input records that they come from."""
        at = block.at.tolist()
        for row, record in scores:
            outputs[kept[at[row]]] += self._outputs(record, counts)

    def _outputs(self, score: Record, counts: Counter[str]) -> list[Output]:
        output = Output(self._policy.scores, score["entity"].encode(), self._encoder.encode(score))
        if not score["is_anomaly"] or score["model"]["role"] == CHALLENGER:
            return [output]
        counts["anomalies"] += 1
        return [output, output._replace(topic=self._policy.anomalies)]


def _watermarks(before: int, blocks: Iterable[Vectors], records: int) -> NDArray[np.int64]:
    """(records + 1,) the watermark before the first record and after each."""
    ends = np.full(records + 1, before, np.int64)
    for block in blocks:
        np.maximum.at(ends, block.at + 1, block.window_end)
    return np.maximum.accumulate(ends)


def build(settings: Settings, framing: Writer | None = None, resolver: Resolver | None = None) -> ScoringStage:
    """The stage as the settings want it. An empty registry URL means the untrained detector alone.

    `framing` and `resolver` are for Confluent-framed Avro, out and in.
    """
    place = settings.registry
    registry = Registry(place.url, place.trusted_keys) if place.url else None
    return ScoringStage(Policy.of(settings), Loading(registry, settings.scoring.cache_mb), framing, resolver)
