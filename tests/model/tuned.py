"""A toy stage that control records change, and what it must have given, going by the take-ups that it logged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.model.broker import Broker
from tests.model.judge import Expected, Oracle
from tests.model.source import records
from workers.runtime.records import Chunk, Output, Records
from workers.runtime.slices import TopicPartition
from workers.runtime.stage import NO_WATERMARK, Control, Logged, Part, RebuildPoint

MEMORY = 3
"""How many records an output depends on."""


@dataclass(slots=True)
class TunedState:
    """`taken` says from which input offset on which control record is in force, by the end of the control log then."""

    taken: list[tuple[int, int, str]] = field(default_factory=list)  # from input offset, control end, its text
    last: list[tuple[int, str]] = field(default_factory=list)  # offset, and the record under the control in force there
    steps: int = 0

    def in_force(self, offset: int) -> str:
        return next((text for start, _, text in reversed(self.taken) if start <= offset), "-")


class Tuned:
    """Each record gives the last three, each marked with the control that was in force at its own place."""

    name = "tuned"

    def __init__(self, out: str, log: str) -> None:
        self.config_hash = "tuned-1"
        self.state_topic: str | None = log
        self._out, self._log = out, log

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> TunedState:
        taken = [_read(entry.value) for entry in logged]
        return TunedState(sorted(taken, key=lambda one: one[1]))

    def step(self, state: TunedState, batch: Records) -> Iterator[Chunk]:
        chunk = Chunk(0)
        for index, value in enumerate(batch.values):
            offset = int(batch.offsets[index])
            state.last.append((offset, f"{(value or b'').decode()}/{state.in_force(offset)}"))
            del state.last[:-MEMORY]
            chunk.outputs.append(Output(self._out, batch.keys[index], " ".join(t for _, t in state.last).encode()))
        state.steps += 1
        yield Chunk(len(batch), 0, chunk.outputs, counts={"processed": len(batch)})

    def take_up(self, state: TunedState, offset: int, controls: Sequence[Control]) -> list[Output]:
        end, text = controls[-1].offset + 1, ",".join((c.value or b"").decode() for c in controls)
        state.taken.append((offset, end, text))
        state.steps += 1
        return [Output(self._log, b"%d" % end, orjson.dumps([offset, end, text]))]

    def watermark(self, state: TunedState) -> int:
        return NO_WATERMARK

    def rebuild_point(self, state: TunedState) -> RebuildPoint | None:
        return RebuildPoint(state.last[0][0], NO_WATERMARK) if state.last else None

    def parts(self, state: TunedState) -> Mapping[str, Part]:
        return {"all": Part(state.steps, lambda: orjson.dumps([state.taken, state.last]))}

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> TunedState:
        taken, last = orjson.loads(parts["all"])
        return TunedState([(a, b, c) for a, b, c in taken], [(a, b) for a, b in last])


class TunedOracle(Oracle):
    """Takes controls up where the committed log says that it was done, and nowhere else."""

    def __init__(self, stage: Any, broker: Broker, controls: Sequence[Control]) -> None:
        super().__init__(stage, broker)
        self._tuned, self._controls = stage, controls

    def expected(self, partition: int) -> Expected:
        found = Expected(self._stage.start(partition, NO_WATERMARK, []))
        log = self._broker.log(TopicPartition("log", partition)).committed()
        logged = [_read(entry.value) for _, entry in log]
        tp, taken = TopicPartition(self._topic, partition), 0
        for offset, entry in self._broker.log(tp).committed():
            while logged and logged[0][0] <= offset:
                taken = self._take_up(found, logged.pop(0), taken)
            for chunk in self._stage.step(found.state, records(tp, [(offset, entry)])):
                found.outputs.setdefault("out", []).extend((o.key, o.value, tuple(o.headers)) for o in chunk.outputs)
        for one in logged:
            taken = self._take_up(found, one, taken)
        return found

    def _take_up(self, found: Expected, one: tuple[int, int, str], taken: int) -> int:
        start, end, _ = one
        latest = {c.key: c for c in self._controls[taken:end]}
        news = sorted(latest.values(), key=lambda c: c.offset)
        outputs = self._tuned.take_up(found.state, start, news)
        found.outputs.setdefault("log", []).extend((o.key, o.value, tuple(o.headers)) for o in outputs)
        return end


def _read(value: bytes | None) -> tuple[int, int, str]:
    start, end, text = orjson.loads(value or b"")
    return start, end, text
