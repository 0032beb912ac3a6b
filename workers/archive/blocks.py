"""Rows on their way from the stage to the files: one output for each batch of a partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from workers.archive.rows import Rows
from workers.runtime.records import Output

ADDRESS = "archive"
"""`Output.topic` of what goes into the archive."""

_LAYOUTS = b"layouts"


@dataclass(frozen=True, slots=True)
class Block:
    """A batch's rows as an output carries them: whence they are, from which offset to which, and how many."""

    kind: str
    topic: str
    partition: int
    first: int
    last: int
    rows: int
    packed: bytes

    @classmethod
    def of(cls, kind: str, topic: str, partition: int, rows: Rows) -> Block:
        """Of at least one row."""
        offsets = rows.table.column("offset")
        return cls(kind, topic, partition, offsets[0].as_py(), offsets[-1].as_py(), len(rows), _packed(rows))

    def output(self) -> Output:
        head = [self.kind, self.topic, self.partition, self.first, self.last, self.rows]
        return Output(ADDRESS, orjson.dumps(head), self.packed)

    @classmethod
    def parse(cls, output: Output) -> Block:
        kind, topic, partition, first, last, rows = orjson.loads(output.key or b"")
        return cls(kind, topic, partition, first, last, rows, output.value or b"")

    @property
    def content(self) -> Rows:
        table = pa.ipc.open_stream(self.packed).read_all()
        layouts: dict[str, Any] = orjson.loads(table.schema.metadata[_LAYOUTS])
        return Rows(table.replace_schema_metadata(None), {key: tuple(names) for key, names in layouts.items()})


def _packed(rows: Rows) -> bytes:
    table = rows.table.replace_schema_metadata({_LAYOUTS: orjson.dumps(rows.layouts)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed
