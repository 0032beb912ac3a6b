"""What the pane engine needs of each event: error, warning, latency, path; by the vocabulary of the canonical event."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.levels import ERROR_LEVEL, WARNING_LEVEL, level_score
from schemas.columns import GAUGE, Events, Strings
from workers.windows.panes_store import BITS, NONE, Table
from workers.windows.panes_update import EVENT

LATENCY = "latency_ms"
MAX_LATENCY_MS = 1e8
"""More than a day: such a value is no latency and is left out."""

_ERROR, _WARNING = 1, 2


class Extractor:
    """Remembers what distinct attribute values mean, so that a batch costs one look-up per distinct value."""

    __slots__ = ("_paths",)

    _REMEMBER = 100_000

    def __init__(self) -> None:
        self._paths: dict[str, int] = {}

    def events(self, events: Events, skewed: NDArray[np.bool_], pane: int) -> Table:
        """A table of `EVENT` rows for panes of that length, without seats."""
        out = np.zeros(len(events), EVENT)
        out["record"], out["time"], out["weight"], out["skewed"] = events.record, events.time, events.weight, skewed
        out["pane"] = events.time // pane
        flags = np.zeros(len(events), np.int16)
        for name, meaning in (("level", _level_flag), ("status_code", _status_flag), ("error", _error_flag)):
            self._mark(events, name, meaning, flags)
        out["error"], out["warning"] = flags & _ERROR != 0, flags & _WARNING != 0
        out["path"], out["latency"] = NONE, np.nan
        code = code_of(events.attr_name, "path")
        if code >= 0:
            meanings = self._meanings(events, code, self._path_bit)
            _scatter(events.attr_row, events.attr_name.codes, events.attr_value.codes, code, meanings, out)
        code = code_of(events.metric_name, LATENCY)
        if code >= 0:
            _latencies(events.metric_row, events.metric_name.codes, events.metric_value, events.metric_type, code, out)
        return out

    def _mark(self, events: Events, name: str, meaning: Callable[[str], int], flags: NDArray[np.int16]) -> None:
        code = code_of(events.attr_name, name)
        if code >= 0:
            meanings = self._meanings(events, code, meaning)
            _mark_rows(events.attr_row, events.attr_name.codes, events.attr_value.codes, code, meanings, flags)

    def _meanings(self, events: Events, code: int, meaning: Callable[[str], int]) -> NDArray[np.int16]:
        """By code of an attribute's value; only the values that this attribute has are looked at."""
        values = events.attr_value.values
        used = used_values(events.attr_name.codes, events.attr_value.codes, code, len(values))
        table = np.zeros(len(values), np.int16)
        for value in used:
            table[value] = meaning(values[value])
        return table

    def _path_bit(self, path: str) -> int:
        bit = self._paths.get(path)
        if bit is None:
            if len(self._paths) >= self._REMEMBER:
                self._paths.clear()
            digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
            bit = self._paths[path] = int.from_bytes(digest, "little") % BITS
        return bit


def _level_flag(text: str) -> int:
    score = level_score(text) or 0
    return _ERROR if score >= ERROR_LEVEL else _WARNING if score >= WARNING_LEVEL else 0


def _status_flag(text: str) -> int:
    try:
        status = float(text)
    except ValueError:
        return 0
    return _ERROR if status >= 500 and math.isfinite(status) else 0


def _error_flag(text: str) -> int:
    return _ERROR if text.strip().lower() == "true" else 0


def code_of(names: Strings, name: str) -> int:
    """The code of a value; −1 where it is none of them."""
    values: Sequence[str] = names.values
    try:
        return values.index(name)
    except ValueError:
        return -1


@njit(cache=True)
def used_values(names: NDArray[np.int32], values: NDArray[np.int32], code: int, distinct: int) -> NDArray[np.int64]:
    """The codes of the values that entries of one name have, ascending; `distinct` is how many there are."""
    seen = np.zeros(distinct, np.bool_)
    for j in range(len(names)):
        if names[j] == code and values[j] >= 0:
            seen[values[j]] = True
    return np.flatnonzero(seen)


@njit(cache=True)
def _mark_rows(
    rows: NDArray[np.int32],
    names: NDArray[np.int32],
    values: NDArray[np.int32],
    code: int,
    meanings: NDArray[np.int16],
    flags: NDArray[np.int16],
) -> None:
    for j in range(len(rows)):
        if names[j] == code and values[j] >= 0:
            flags[rows[j]] |= meanings[values[j]]


@njit(cache=True)
def _scatter(
    rows: NDArray[np.int32],
    names: NDArray[np.int32],
    values: NDArray[np.int32],
    code: int,
    meanings: NDArray[np.int16],
    out: Table,
) -> None:
    for j in range(len(rows)):
        if names[j] == code and values[j] >= 0:
            out[rows[j]].path = meanings[values[j]]


@njit(cache=True)
def _latencies(
    rows: NDArray[np.int32],
    names: NDArray[np.int32],
    values: NDArray[np.float64],
    types: NDArray[np.int8],
    code: int,
    out: Table,
) -> None:
    for j in range(len(rows)):
        if names[j] == code and types[j] == GAUGE and 0.0 <= values[j] <= MAX_LATENCY_MS:
            out[rows[j]].latency = values[j]
