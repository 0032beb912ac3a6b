"""Arrays as bytes and back: uncompressed npz without pickle, the same bytes for the same arrays, safe to read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ArrayError(ValueError):
    """Bytes that are no arrays of ours."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays of numbers, in order of their names."""
    for name, array in arrays.items():
        if array.dtype.kind not in "bifu":
            raise ArrayError(f"{name}: arrays of {array.dtype} are not stored, only numbers are")
    out = io.BytesIO()
    np.savez(out, **{name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    return out.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """Raises `ArrayError`. Nothing in the bytes is executed, and nothing gets larger than they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = archive.infolist()
        if any(e.compress_type != zipfile.ZIP_STORED or e.file_size > len(blob) for e in entries):
            raise ArrayError("compressed arrays are not read")
        with np.load(io.BytesIO(blob), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except ArrayError:
        raise
    except Exception as error:  # whatever a damaged archive makes of zipfile and numpy
        raise ArrayError(f"not an archive of plain arrays: {error}") from error
    if any(array.dtype.kind not in "bifu" for array in arrays.values()):
        raise ArrayError("only arrays of numbers are read")
    return arrays
