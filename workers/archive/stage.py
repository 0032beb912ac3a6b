"""The archive worker's step: records in, the same records out as rows. Remembers nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from schemas.framing import Resolver
from schemas.ids import stable_id
from workers.archive.blocks import ADDRESS, Block
from workers.archive.rows import Places, rows_of
from workers.archive.schema import EVENT_TIME
from workers.progress import tells_time_alone
from workers.runtime.memoryless import Memoryless, Position
from workers.runtime.records import Chunk, DeadLetter, Records

_VERSION = 1


class ArchiveStage(Memoryless):
    """`Stage` of the worker `archive`. Counts: `processed`, `skipped_progress` (records of time alone), `dead`."""

    name = "archive"

    def __init__(self, kinds: Mapping[str, str], resolver: Resolver | None = None) -> None:
        """`kinds` says by topic what its records are (`files.KINDS`)."""
        self._kinds, self._resolver = dict(kinds), resolver
        self.config_hash = stable_id(_VERSION, ADDRESS)

    def step(self, state: Position, records: Records) -> Iterator[Chunk]:
        kind = self._kinds[records.topic]
        kept = [at for at, headers in enumerate(records.headers) if not tells_time_alone(headers)]
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
