"""Two small honest stages for tests of the runtime: one with windows-like state, one without any.

Values are text: `<time>:<amount>` is an event, `skew:<time>` moves time and is a dead letter as well, `many:<n>` gives
n outputs at once (Relay), anything else is poison. Times are plain integers; panes are ten of them long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from workers.runtime.records import Chunk, DeadLetter, Output, Records, View
from workers.runtime.stage import NO_WATERMARK, Logged, Part, RebuildPoint

PANE, RETAINED, LATENESS = 10, 3, 5
"""Length of a pane, closed panes kept for rolling sums, and how late an event may be before its pane closes."""


@dataclass(slots=True)
class Pane:
    """One slice of time: per key how many events and their sum; where its first record lies, and the time then."""

    first: int
    watermark_before: int
    version: int = 0
    sums: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, key: str, amount: int) -> None:
        count, total = self.sums.get(key, (0, 0))
        self.sums[key] = (count + 1, total + amount)
        self.version += 1


@dataclass(slots=True)
class TallyState:
    partition: int
    watermark: int
    panes: dict[int, Pane] = field(default_factory=dict)
    totals: dict[str, tuple[int, int]] = field(default_factory=dict)  # key: events in closed panes, up to which end
    totals_version: int = 0
    steps: int = 0


class Tally:
    """Counts per key in panes; when time passes a pane's end, every key of the retained panes gives a vector.

    Panes are finite memory, totals are logged: each closing of a pane logs the new total of every key that was in it.
    """

    name = "tally"

    def __init__(self, out: str, log: str, chunk_outputs: int = 4) -> None:
        self.config_hash = "tally-1"
        self.state_topic: str | None = log
        self._out, self._log, self._chunk = out, log, chunk_outputs

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> TallyState:
        totals = {entry.key.decode(): tuple(map(int, entry.value.split(b":"))) for entry in logged}
        return TallyState(partition, watermark, totals={key: (total, end) for key, (total, end) in totals.items()})

    def step(self, state: TallyState, records: Records) -> Iterator[Chunk]:
        chunk, counts = Chunk(0), {"processed": 0, "dead": 0, "skipped_late": 0}
        for index in range(len(records)):
            given = 0
            outcome = self._take(state, records, index)
            for effect in self._close(state, records, index):
                if isinstance(effect, View):
                    chunk.views.append(effect)
                    continue
                chunk.outputs.append(effect)
                given += 1
                if len(chunk.outputs) >= self._chunk:
                    chunk.done, chunk.position = index, given
                    yield chunk
                    chunk = Chunk(index)
            counts[outcome] += 1
            if outcome == "dead":
                chunk.dead.append(DeadLetter(index, "poison", "neither time nor amount"))
        state.steps += 1
        yield Chunk(len(records), 0, chunk.outputs, chunk.dead, chunk.views, counts)

    def watermark(self, state: TallyState) -> int:
        return state.watermark

    def rebuild_point(self, state: TallyState) -> RebuildPoint | None:
        if not state.panes:
            return None
        first = min(state.panes.values(), key=lambda pane: pane.first)
        return RebuildPoint(first.first, first.watermark_before)

    def parts(self, state: TallyState) -> Mapping[str, Part]:
        def pane(start: int, held: Pane) -> Part:
            return Part(held.version, lambda: orjson.dumps([start, held.first, held.watermark_before, held.sums]))

        parts = {f"pane-{start}": pane(start, held) for start, held in state.panes.items()}
        parts["totals"] = Part(state.totals_version, lambda: orjson.dumps(state.totals))
        parts["time"] = Part(state.steps, lambda: str(state.watermark).encode())
        return parts

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> TallyState:
        totals = {key: (total, end) for key, (total, end) in orjson.loads(parts["totals"]).items()}
        state = TallyState(partition, int(parts["time"]), totals=totals)
        for name, part in parts.items():
            if name.startswith("pane-"):
                start, first, before, sums = orjson.loads(part)
                state.panes[start] = Pane(first, before, 0, {key: (n, total) for key, (n, total) in sums.items()})
        return state

    def _take(self, state: TallyState, records: Records, index: int) -> str:
        """Put one record into its pane; its outcome."""
        event = _event(records.values[index])
        if event is None:
            return "dead"
        start = event[0] // PANE * PANE
        if start + PANE * (1 + RETAINED) <= state.watermark:
            return "skipped_late"
        pane = state.panes.get(start)
        if pane is None:
            pane = state.panes[start] = Pane(int(records.offsets[index]), state.watermark)
        pane.add((records.keys[index] or b"").decode(), event[1])
        return "processed"

    def _close(self, state: TallyState, records: Records, index: int) -> Iterator[Output | View]:
        """Move time on by one record, and give what the panes that close then have to say, in order of (end, key)."""
        time = _time(records.values[index])
        if time is None or time - LATENESS <= state.watermark:
            return
        before, state.watermark = state.watermark, time - LATENESS
        ends = {start + PANE * (1 + later) for start in state.panes for later in range(1 + RETAINED)}
        for end in sorted(end for end in ends if before < end <= state.watermark):
            yield from self._vectors(state, end)
        for start in [s for s in state.panes if s + PANE * (1 + RETAINED) <= state.watermark]:
            del state.panes[start]

    def _vectors(self, state: TallyState, end: int) -> Iterator[Output | View]:
        kept = [state.panes[s].sums for s in range(end - PANE * (1 + RETAINED), end, PANE) if s in state.panes]
        now = state.panes[end - PANE].sums if end - PANE in state.panes else {}
        keys = sorted(set[str]().union(*kept))
        for key in keys:
            count = now.get(key, (0, 0))[0]
            total, counted_to = state.totals.get(key, (0, NO_WATERMARK))
            if counted_to < end and count:
                total, counted_to = total + count, end
                state.totals[key] = (total, counted_to)
                state.totals_version += 1
            rolling = [sums[key] for sums in kept if key in sums]
            sums = f"{sum(n for n, _ in rolling)}:{sum(s for _, s in rolling)}"
            yield Output(self._out, key.encode(), f"{end}:{count}:{sums}:{total}".encode(), [("end", b"%d" % end)])
            if count:
                yield Output(self._log, key.encode(), f"{total}:{counted_to}".encode())
        if keys:
            yield View(f"pane:{state.partition}", f"{end}:{len(keys)}".encode(), end, 60)


class Relay:
    """Stateless: every event once more, in the order it came."""

    name = "relay"
    state_topic: str | None = None

    def __init__(self, out: str, chunk_outputs: int = 4) -> None:
        self.config_hash = "relay-1"
        self._out, self._chunk = out, chunk_outputs

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> int:
        return partition

    def step(self, state: int, records: Records) -> Iterator[Chunk]:
        chunk = Chunk(0)
        for index, value in enumerate(records.values):
            key = records.keys[index]
            for given in range(_copies(value)):
                chunk.outputs.append(Output(self._out, key, b"%d of %b" % (given, value or b"")))
                if len(chunk.outputs) >= self._chunk:
                    chunk.done, chunk.position = index, given + 1
                    yield chunk
                    chunk = Chunk(index)
            if not _copies(value):
                chunk.dead.append(DeadLetter(index, "poison", "not an event"))
        yield Chunk(len(records), 0, chunk.outputs, chunk.dead, counts={"processed": len(records)})

    def watermark(self, state: int) -> int:
        return NO_WATERMARK

    def rebuild_point(self, state: int) -> RebuildPoint | None:
        return None

    def parts(self, state: int) -> Mapping[str, Part]:
        return {}

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> int:
        return partition


def _event(value: bytes | None) -> tuple[int, int] | None:
    time, _, amount = (value or b"").partition(b":")
    try:
        return int(time), int(amount)
    except ValueError:
        return None


def _time(value: bytes | None) -> int | None:
    if value and value.startswith(b"skew:"):
        return int(value[5:])
    event = _event(value)
    return event[0] if event else None


def _copies(value: bytes | None) -> int:
    if value and value.startswith(b"many:"):
        return int(value[5:])
    return 1 if _event(value) else 0
