"""Blocks of one log, gathered until a file of them is worth while; and one file after the other written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc

from workers.archive.blocks import Block
from workers.archive.cuts import Cut, Cuts
from workers.archive.erasures import Erased
from workers.archive.files import Log
from workers.archive.metrics import ArchiveMetrics
from workers.archive.rows import Rows, joined
from workers.archive.store import Store
from workers.archive.writing import filed, put_rows
from workers.runtime.errors import Fatal
from workers.runtime.records import Output


@dataclass(slots=True)
class Gathered:
    """What is held of one log, in offset order."""

    kind: str
    log: Log
    outputs: list[Output] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(block.rows for block in self.blocks)


def gathered(outputs: Sequence[Output], log_of: Callable[[str, int], Log]) -> list[Gathered]:
    """Outputs by log."""
    found: dict[Log, Gathered] = {}
    for output in outputs:
        block = Block.parse(output)
        log = log_of(block.topic, block.partition)
        mine = found.setdefault(log, Gathered(block.kind, log))
        mine.outputs.append(output)
        mine.blocks.append(block)
    return list(found.values())


@dataclass(slots=True)
class Filing:
    """Writes what was gathered. Raises what the store raises, and Fatal for a log that is not what it was."""

    store: Store
    metrics: ArchiveMetrics
    reached: Callable[[str], None] = lambda step: None
    known: Erased = field(default_factory=Erased)

    def waits(self, mine: Gathered) -> bool:
        """Whether a cut was made here that holds more than has come yet: the same records come again, all of them."""
        found = Cuts(self.store).find(mine.log, mine.blocks[0].first)
        return found is not None and found.last > mine.blocks[-1].last

    def file(self, mine: Gathered) -> None:
        """All rows into files, cut as they were cut before."""
        rows = joined(mine.kind, [block.content for block in mine.blocks])
        while len(rows):
            rows = self._file_first(mine, rows)

    def _file_first(self, mine: Gathered, rows: Rows) -> Rows:
        """Write the files of the first cut; what is left."""
        cut, files = filed(mine.kind, mine.log, rows)
        held = Cuts(self.store).make(mine.log, cut)
        _check_same_log(mine.log, cut, held)
        later = len(rows)
        if held.last < cut.last:
            later = int(pc.sum(pc.less_equal(rows.table.column("offset"), held.last)).as_py())
            _, files = filed(mine.kind, mine.log, Rows(rows.table.slice(0, later), rows.layouts), held.last)
        self.reached("cut")
        for one in files:
            self.known = put_rows(self.store, one, self.known)
            self.metrics.filed(mine.kind, len(one.rows))
            self.reached("filed")
        return Rows(rows.table.slice(later), rows.layouts)


def _check_same_log(log: Log, ours: Cut, held: Cut) -> None:
    if held.began != ours.began:
        raise Fatal(
            f"{log.name}-{log.partition}: another record than the one at offset {ours.first} was archived before",
            "Was the topic made anew? Restart the worker: it then tells the two apart",
        )
