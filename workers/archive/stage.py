"""The archive worker's step: records in, the same records out as rows. Remembers nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.framing import Resolver
from schemas.ids import stable_id
from workers.archive.blocks import ADDRESS, Block
from workers.archive.rows import Places, rows_of
from workers.archive.schema import EVENT_TIME
from workers.runtime.records import Chunk, DeadLetter, Headers, Records
from workers.runtime.stage import NO_WATERMARK, Logged, Part, RebuildPoint

_TIME_ONLY = frozenset({"faultline-progress", "faultline-tick"})
"""Headers of records that tell of time alone."""

_VERSION = 1


@dataclass(slots=True)
class Position:
    """How far event time has come in a partition, epoch microseconds."""

    watermark: int


class ArchiveStage:
    """`Stage` of the worker `archive`. Counts: `processed`, `skipped_progress` (records of time alone), `dead`."""

    name = "archive"
    state_topic: str | None = None

    def __init__(self, kinds: Mapping[str, str], resolver: Resolver | None = None) -> None:
        """`kinds` says by topic what its records are (`files.KINDS`)."""
        self._kinds, self._resolver = dict(kinds), resolver
        self.config_hash = stable_id(_VERSION, ADDRESS)

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

    def step(self, state: Position, records: Records) -> Iterator[Chunk]:
        kind = self._kinds[records.topic]
        kept = [at for at, headers in enumerate(records.headers) if not _tells_time_only(headers)]
        places = Places(records.partition, records.offsets[kept], records.timestamps[kept])
        rows, faults = rows_of(kind, [records.values[at] for at in kept], places, self._resolver)
        outputs = []
        if len(rows):
            outputs = [Block.of(kind, records.topic, records.partition, rows).output()]
            latest = pc.max(rows.table.column(EVENT_TIME[kind]).cast(pa.int64())).as_py()
            state.watermark = max(state.watermark, latest)
        dead = [DeadLetter(kept[fault.record], fault.error_class, fault.message) for fault in faults]
        counts = {"processed": len(rows), "skipped_progress": len(records) - len(kept), "dead": len(dead)}
        yield Chunk(len(records), outputs=outputs, dead=dead, counts=counts)


def _tells_time_only(headers: Headers | None) -> bool:
    return any(name in _TIME_ONLY for name, _ in headers or ())
