"""RFC 3339 times of a whole column at once, where all are written alike, as one producer writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEPARATORS = ((4, b"-"), (7, b"-"), (13, b":"), (16, b":"))
_SECONDS = 19
"""Characters up to the seconds."""

_ZONES = (b"Z", b"+00:00")
_MOST_DECIMALS = 9


def times_of(values: Sequence[Any]) -> NDArray[np.int64] | None:
    """Epoch microseconds; None unless all are texts of one length in UTC, such as 2026-03-01T12:00:00.123Z, and valid.

    What is None here is for `moments.reader` to read or to refuse, one by one.
    """
    if set(map(type, values)) != {str}:
        return None
    try:
        raw = "".join(values).encode("ascii")
    except UnicodeEncodeError:
        return None
    zone = next((zone for zone in _ZONES if raw.endswith(zone)), b"")
    length = len(values[0])
    decimals = length - _SECONDS - 1 - len(zone)
    if not zone or (decimals != -1 and not 1 <= decimals <= _MOST_DECIMALS) or set(map(len, values)) != {length}:
        return None
    table = np.frombuffer(raw, np.uint8).reshape(len(values), length)
    if not (_all(table, length - len(zone), zone) and all(_all(table, at, text) for at, text in _SEPARATORS)):
        return None
    if not ((table[:, 10] == ord("T")) | (table[:, 10] == ord(" "))).all() or (
        decimals > 0 and not _all(table, 19, b".")
    ):
        return None
    places = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, *range(20, 20 + max(decimals, 0))]
    digits = table[:, places].astype(np.int64) - ord("0")
    if digits.min() < 0 or digits.max() > 9:
        return None
    year = digits[:, :4] @ np.array([1000, 100, 10, 1])
    month, day, hour, minute, second = (digits[:, at] * 10 + digits[:, at + 1] for at in (4, 6, 8, 10, 12))
    if not (
        (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    ).all():
        return None
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    if not (day <= (months + 1).astype("datetime64[D]").astype(np.int64) - first).all():
        return None
    micros = np.zeros(len(values), np.int64)
    for place in range(min(max(decimals, 0), 6)):
        micros += digits[:, 14 + place] * 10 ** (5 - place)
    seconds = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second
    found: NDArray[np.int64] = seconds * 1_000_000 + micros
    return found


def _all(table: NDArray[np.uint8], at: int, text: bytes) -> bool:
    """Whether a text stands there in every row."""
    return bool((table[:, at : at + len(text)] == np.frombuffer(text, np.uint8)).all())
