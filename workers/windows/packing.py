"""Arrays in one value: a JSON header and the raw columns, integers in the fewest bytes that hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_LAYOUT = 1


def pack(columns: Mapping[str, NDArray[Any]], strings: list[str] | None = None) -> bytes:
    """Columns of any shape and number type; int64 columns shrink, the others stay as they are."""
    head: dict[str, list[object]] = {}
    bodies: list[bytes] = []
    for name, column in columns.items():
        stored = _shrink(column)
        head[name] = [stored.dtype.str, column.dtype.str, list(column.shape)]
        bodies.append(np.ascontiguousarray(stored).tobytes())
    header = orjson.dumps({"layout": _LAYOUT, "columns": head, "strings": strings})
    return len(header).to_bytes(4, "little") + header + b"".join(bodies)


def unpack(value: bytes) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """What `pack` was given; the arrays are writable copies. Raises ValueError on another layout."""
    size = int.from_bytes(value[:4], "little")
    header = orjson.loads(value[4 : 4 + size])
    if header["layout"] != _LAYOUT:
        raise ValueError(f"checkpoint layout {header['layout']}, expected {_LAYOUT}")
    columns: dict[str, NDArray[Any]] = {}
    at = 4 + size
    for name, (stored, dtype, shape) in header["columns"].items():
        n = math.prod(shape)
        column = np.frombuffer(value, stored, n, at)
        columns[name] = column.astype(dtype).reshape(shape)
        at += column.nbytes
    return columns, header["strings"] or []


def _shrink(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype != np.int64 or column.size == 0:
        return column
    low, high = int(column.min()), int(column.max())
    for small in (np.int8, np.int16, np.int32):
        if np.iinfo(small).min <= low and high <= np.iinfo(small).max:
            return column.astype(small)
    return column
