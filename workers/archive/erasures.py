"""Whose rows may not be in the archive: said before they are taken out, and minded by everyone who writes a file.

_faultline/erased/<id>.json    {"entity", "until", "author"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from schemas.ids import stable_id
from workers.archive.rows import Rows
from workers.archive.schema import EVENT_TIME
from workers.archive.store import OURS, Store

_ERASED = f"{OURS}/erased"


@dataclass(frozen=True, slots=True)
class Erasure:
    """Rows of an entity with an event time before `until` (epoch microseconds) were erased, and stay so."""

    entity: str
    until: int
    author: str = ""

    @property
    def name(self) -> str:
        return f"{stable_id(self.entity, self.until)}.json"


@dataclass(frozen=True, slots=True)
class Erased:
    """Every erasure at one moment; `until` by entity, the latest of each."""

    names: frozenset[str] = frozenset()
    until: Mapping[str, int] = field(default_factory=dict)

    def without(self, kind: str, rows: Rows) -> Rows:
        """The rows that may stay."""
        found = self.rows_of(kind, rows.table)
        return Rows(rows.table.filter(pc.invert(found)), rows.layouts) if found is not None else rows

    def rows_of(self, kind: str, table: pa.Table) -> pa.Array | None:
        """Which rows must go, as a mask; None where none must. The table needs `entity` and its event time."""
        if not self.until or not len(table):
            return None
        entity = pc.dictionary_encode(table.column("entity")).combine_chunks()
        until = [self.until.get(name, _NEVER) for name in entity.dictionary.to_pylist()]
        if all(time == _NEVER for time in until):
            return None
        mine = np.array(until, np.int64)[entity.indices.to_numpy(zero_copy_only=False)]
        time = table.column(EVENT_TIME[kind]).cast(pa.int64()).to_numpy()
        mask = time < mine
        return pa.array(mask) if mask.any() else None


_NEVER = -(1 << 63)


def record(store: Store, erasure: Erasure) -> None:
    """Say it, before anything is taken out: from now on no file is written with these rows."""
    document = {"entity": erasure.entity, "until": erasure.until, "author": erasure.author}
    store.put(f"{_ERASED}/{erasure.name}", orjson.dumps(document))


def erased(store: Store, known: Erased = Erased()) -> Erased:
    """All erasures there are; `known` as it is where nothing has come since."""
    names = frozenset(store.names(_ERASED))
    if names == known.names:
        return known
    until: dict[str, int] = {}
    for one in (orjson.loads(store.read(f"{_ERASED}/{name}")) for name in sorted(names)):
        until[one["entity"]] = max(one["until"], until.get(one["entity"], _NEVER))
    return Erased(names, until)
