"""Arrays as bytes and back: uncompressed npz without pickle, the same bytes for the same arrays, safe to read.

What is read may come from anyone. `array_of`, `number_of` and `part_of` give each array as its reader needs it, or
say what is wrong with it, and where.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Number = TypeVar("_Number", bound=np.generic)
_Part = TypeVar("_Part")

_KINDS = {"b": "bools", "i": "whole numbers", "u": "whole numbers without a sign", "f": "floating point numbers"}


class ArrayError(ValueError):
    """Bytes that are no arrays of ours."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays of numbers, in order of their names."""
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise ArrayError(f"{name}: arrays of {array.dtype} are not stored, only numbers are")
    out = io.BytesIO()
    np.savez(out, **{name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    return out.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """Raises `ArrayError`. Nothing in the bytes is executed, and nothing gets larger than they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ArrayError("compressed arrays are not read")
        if sum(entry.file_size for entry in entries) > len(blob):
            raise ArrayError("the archive has more in its arrays than there is of it")
        with np.load(io.BytesIO(blob), allow_pickle=False) as file:
            if len(set(file.files)) < len(file.files):
                raise ArrayError("two arrays have one name")
            arrays = {name: _read(file, name) for name in file.files}
    except ArrayError:
        raise
    except Exception as error:  # whatever a damaged archive makes of zipfile and numpy
        raise ArrayError(f"not an archive of plain arrays: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS:
            raise ArrayError(f"{name}: only arrays of numbers are read")
        if max(array.shape, default=0) > len(blob):  # of no columns there can be any number of rows
            raise ArrayError(f"{name}: an array of {' × '.join(map(str, array.shape))} values is not read")
    return arrays


def array_of(arrays: Mapping[str, NDArray[Any]], name: str, kind: type[_Number], axes: int = 1) -> NDArray[_Number]:
    """The array of that name, in C order. Raises `ArrayError` unless it is there, with so many axes, of such numbers
    or of shorter ones.
    """
    array = _found(arrays, name)
    wanted = np.dtype(kind)
    if array.dtype.kind != wanted.kind or array.dtype.itemsize > wanted.itemsize:
        raise ArrayError(f"{name} holds {array.dtype}, not {_KINDS[wanted.kind]} ({wanted})")
    if array.ndim != axes:
        raise ArrayError(f"{name} has {array.ndim} axes, not {axes}")
    return np.array(array, wanted, order="C", ndmin=axes, copy=None)


def number_of(arrays: Mapping[str, NDArray[Any]], name: str) -> float:
    """The one number in the array of that name. Raises `ArrayError`."""
    array = _found(arrays, name)
    if array.shape not in ((), (1,)):  # `pack` gives a number an axis
        raise ArrayError(f"{name} is not one number")
    return float(array.item())


def part_of(arrays: Mapping[str, NDArray[Any]], folder: str, read: Callable[[dict[str, NDArray[Any]]], _Part]) -> _Part:
    """What the arrays below a path are read as. Raises `ArrayError`, with the path, where that raises ValueError."""
    start = folder + "/"
    try:
        return read({name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)})
    except ValueError as error:
        raise ArrayError(f"{folder}: {error}") from error


def _read(file: Any, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = file[name]
    except Exception as error:  # as above
        raise ArrayError(f"{name} is no plain array: {error}") from error
    return array


def _found(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise ArrayError(f"the array {name} is missing")
    return arrays[name]
