"""What the engine of log messages needs of each event: which kind of message it is, and of new ones the text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.logs.masking import mask, words
from models.logs.matching import Matcher
from models.logs.templates import shown_text
from schemas.columns import Events
from workers.windows import sketch
from workers.windows.extract import Extractor, code_of, used_values
from workers.windows.panes_store import NONE, Table

MESSAGE = "message"
"""The attribute that holds the text."""


class Saying(NamedTuple):
    """A new kind of message, at a record of the batch: whose, in which slot of new kinds, which pane, its words."""

    record: int
    entity: str
    slot: int
    pane: int
    text: str


class LogExtractor(Extractor):
    """As `Extractor`; the bucket of a message's kind stands in for a latency, and its bit for that of a path."""

    __slots__ = ("_matcher", "_sayings_to")

    def __init__(self, matcher: Matcher, sayings: list[Saying]) -> None:
        """What is new is put into `sayings`, in record order."""
        super().__init__()
        self._matcher, self._sayings_to = matcher, sayings

    def events(self, events: Events, skewed: NDArray[np.bool_], pane: int) -> Table:
        out = super().events(events, skewed, pane)
        out["path"], out["latency"] = NONE, np.nan
        code = code_of(events.attr_name, MESSAGE)
        if code < 0:
            return out
        values = events.attr_value.values
        used = used_values(events.attr_name.codes, events.attr_value.codes, code, len(values))
        texts = [values[value] for value in used.tolist()]
        kinds = self._matcher.kinds(texts)
        cell, bit = np.full(len(values) + 1, NONE, np.int16), np.full(len(values) + 1, NONE, np.int16)
        cell[used], bit[used] = kinds.cell, kinds.bit
        entry = np.flatnonzero(events.attr_name.codes == code)
        row, value = events.attr_row[entry], events.attr_value.codes[entry]
        out["path"][row] = bit[value]
        known = cell[value] >= 0
        out["latency"][row[known]] = sketch.VALUES[cell[value[known]]]
        new = known & (cell[value] > self._matcher.counted) & ~skewed[row]
        if new.any():
            self._sayings_to += self._sayings(events, out, row[new], value[new], cell)
        return out

    def _sayings(
        self, events: Events, out: Table, row: NDArray[np.int32], value: NDArray[np.int32], cell: NDArray[np.int16]
    ) -> list[Saying]:
        """In record order, those left out that say what their entity's slot said in the same pane before."""
        entity, slot, pane = events.entity.codes[row], cell[value], out["pane"][row]
        order = np.lexsort((np.arange(len(row)), slot, entity))
        in_turn = np.stack([column[order].astype(np.int64) for column in (entity, slot, value, pane)])
        other = np.concatenate(([True], (in_turn[:, 1:] != in_turn[:, :-1]).any(axis=0)))
        kept = np.sort(order[other])
        codes = np.unique(value[kept]).tolist()
        masked = mask([events.attr_value.values[code] for code in codes])
        shown = dict(zip(codes, [shown_text(" ".join(words(one))) for one in masked], strict=True))
        first, names = self._matcher.counted + 1, events.entity.values
        columns = (out["record"][row], entity, slot - first, pane, value)
        said = zip(*(column[kept].tolist() for column in columns), strict=True)
        return [Saying(record, names[code], at, when, shown[text]) for record, code, at, when, text in said]


def rows_with_messages(events: Events) -> NDArray[np.intp]:
    """The events that have the attribute."""
    has = np.zeros(len(events), np.bool_)
    code = code_of(events.attr_name, MESSAGE)
    if code >= 0:
        has[events.attr_row[(events.attr_name.codes == code) & (events.attr_value.codes >= 0)]] = True
    return np.flatnonzero(has)
