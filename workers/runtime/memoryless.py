"""A stage that remembers nothing but how far event time has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.runtime.stage import NO_WATERMARK, Logged, Part, RebuildPoint


@dataclass(slots=True)
class Position:
    """How far event time has come in a partition, epoch microseconds."""

    watermark: int


class Memoryless:
    """What `Stage` asks about state, of a stage that only passes records on: the step is left to say."""

    state_topic: str | None = None

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> Position:
        return Position(watermark)

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> Position:
        return Position(NO_WATERMARK)  # never of anything: `parts` gives nothing to keep

    def watermark(self, state: Position) -> int:
        return state.watermark

    def rebuild_point(self, state: Position) -> RebuildPoint | None:
        return None

    def parts(self, state: Position) -> Mapping[str, Part]:
        return {}
