"""The usual errors of one partition's entities without a model (`models.untrained.running`).

When an entity learns from a vector, and how that is logged: `workers.scoring.sampled`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.untrained.running import Columns, Usual, Verdicts, find_columns, learned
from workers.scoring.judged import Judged
from workers.scoring.sampled import Entry, Sampled, days_begun, next_due


class UsualErrors:
    """Mutable; everything in it is a function of the records read so far. Memory: 64 bytes a metric."""

    def __init__(self) -> None:
        self.kept = Sampled("usual", Usual.decode)

    def judge(
        self, judged: Sequence[Judged], offsets: NDArray[np.int64], watermarks: NDArray[np.int64]
    ) -> tuple[list[Judged], list[Entry]]:
        """What is said of a chunk's vectors, now by their entities' own errors where those are known, in record order.

        `offsets` are those of the chunk's n records, `watermarks` (n + 1,) the partition's before the first and after
        each.
        """
        logged: list[Entry] = []
        days, begun = days_begun(watermarks)
        verdicts = {i: said for i, one in enumerate(judged) if (said := _blank(one)) is not None}
        for record, number, place in sorted(_places(judged, verdicts)):
            logged += self.kept.forget(begun, record, offsets, days)
            self._judge(judged[number], verdicts[number], record, place, int(offsets[record]), logged)
        logged += self.kept.forget(begun, len(offsets), offsets, days)
        result = list(judged)
        for number, said in verdicts.items():
            one = judged[number]
            assert one.untrained is not None
            result[number] = replace(one, scored=said.over(one.scored, one.untrained))
        return result, logged

    def _judge(self, one: Judged, said: Verdicts, record: int, place: int, offset: int, logged: list[Entry]) -> None:
        row = int(one.rows[place])
        owner = one.block.profile, one.block.entity[row]
        usual, metrics = self.kept.get(owner), said.columns.metrics
        if usual is not None:
            said.judge(place, usual.of(metrics))
        time = int(one.block.window_end[row])
        if usual is None:
            usual = Usual.blank(metrics)
        if time >= usual.due:
            known = learned(usual.of(metrics), said.sequences[place])
            usual = Usual(time, next_due(owner, time), metrics, known)
            logged.append(self.kept.put(owner, usual, record, offset))


def _blank(one: Judged) -> Verdicts | None:
    """Room for verdicts; None where a model has judged, or the vectors have no samples to go by."""
    if one.untrained is None:
        return None
    columns = _columns(tuple(one.names))
    return Verdicts.of(columns, one.untrained) if columns is not None else None


@lru_cache(maxsize=1_000)
def _columns(names: tuple[str, ...]) -> Columns | None:
    return find_columns(names)


def _places(judged: Sequence[Judged], chosen: Mapping[int, Verdicts]) -> Iterator[tuple[int, int, int]]:
    """Record, judgement and place in it of every vector of those chosen."""
    for number in chosen:
        one = judged[number]
        for place, record in enumerate(one.block.at[one.rows].tolist()):
            yield record, number, place
