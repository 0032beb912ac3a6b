"""Arrays as an attacker would store them: of other types, shapes and values, in archives that numpy never wrote.

A stored array is its `.npy` bytes here, so that headers may say what no array is.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

KINDS = (
    "?",
    "i1",
    "u8",
    ">i4",
    "f2",
    ">f8",
    "longdouble",
    "c16",
    "S8",
    "U4",
    "M8[s]",
    "V8",
    [("a", "f8"), ("b", "i4")],
)
VALUES = (np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0, -1.0, 1.0, 0.5, 2.0**31, -(2.0**63), 1e19)


class Bomb:
    """What a pickle could do when it is read: here, to end the process."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os._exit, (99,)


def stored(array: Array) -> bytes:
    """The bytes of a `.npy` file; of objects with a pickle that would end the process."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype.hasobject)
    return out.getvalue()


def headed(array: Array, header: str, version: bytes = b"\x01\x00") -> bytes:
    """The data of an array behind a header that says something else."""
    text = header.encode("latin1")
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + array.tobytes()


def archive(arrays: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An `.npz` of arrays that are stored as these bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, blob in arrays.items():
            file.writestr(f"{name}.npy", blob)
    return out.getvalue()


def other_types(array: Array) -> Iterator[tuple[str, bytes]]:
    """The same array as each type that numpy can make of it, and as objects."""
    for kind in KINDS:
        with np.errstate(all="ignore"):
            try:
                yield f"as {kind}", stored(array.astype(np.dtype(kind)))
            except (TypeError, ValueError):
                yield f"as {kind}", stored(np.zeros(array.shape, np.dtype(kind)))
    bombs = np.empty(array.shape, object)
    bombs.fill(Bomb())
    yield "as objects", stored(bombs)
    yield "as a pickle", pickle.dumps(Bomb())


def other_shapes(array: Array) -> Iterator[tuple[str, bytes]]:
    """Cut, repeated, turned, with an axis more or less; and headers that do not fit the data."""
    flat = array.ravel()
    for what, one in (
        ("empty", flat[:0]),
        ("one value", flat[:1]),
        ("without an axis", flat[:1].reshape(())),
        ("an axis more before", array[None]),
        ("an axis more behind", array[..., None]),
        ("turned", array.T),
        ("in Fortran's order", np.asfortranarray(array)),
        ("flat", flat),
        ("twice", np.concatenate([np.atleast_1d(array)] * 2)),
        ("twice along the last axis", np.concatenate([np.atleast_1d(array)] * 2, axis=-1)),
        ("one short", np.atleast_1d(array)[:-1]),
        ("one short along the last axis", np.atleast_1d(array)[..., :-1]),
        ("no rows, endless columns", np.empty((0, 10**12), array.dtype)),
        ("endless rows, no columns", np.empty((10**12, 0), array.dtype)),
    ):
        yield what, stored(one)
    kind = array.dtype.str
    for shape in ("(1000000000000,)", "(-1,)", f"({array.size}, -1)", "(10000000000, 10000000000)", "(1.5,)", "None"):
        text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"
        yield f"headed {shape}", headed(array, text)
    yield "headed as objects", headed(array, f"{{'descr': '|O', 'fortran_order': False, 'shape': {array.shape}, }}\n")
    yield "headed by code", headed(array, "__import__('os')._exit(99)\n")
    yield "headed by depth", headed(array, "(" * 900 + "\n")
    whole = stored(array)
    yield "without data", whole[: -array.nbytes] if array.nbytes else whole[:-1]
    yield "cut", whole[:-1]
    yield "no bytes", b""
    yield "longer", whole + b"\0" * 8


def other_values(array: Array) -> Iterator[tuple[str, bytes]]:
    """All values, or one in the middle, made absurd; values in another order; whole numbers that lead elsewhere."""
    with np.errstate(all="ignore"):
        for value in VALUES:
            filled = np.full(array.shape, value).astype(array.dtype)
            yield f"all {value}", stored(filled)
            if array.size > 1:
                one = array.copy()
                one.flat[array.size // 2] = filled.flat[0]
                yield f"one {value}", stored(one)
        for what, changed in (
            ("negative", -array if array.dtype.kind in "if" else ~array if array.dtype.kind == "b" else array),
            ("backwards", array.ravel()[::-1].reshape(array.shape)),
            ("a million times", (array * 1e6).astype(array.dtype)),
            ("one more", (array + 1).astype(array.dtype)),
            ("numbered", np.arange(array.size).reshape(array.shape).astype(array.dtype)),
            ("large", (array.astype(np.float64) + 1e300).astype(array.dtype)),
        ):
            yield what, stored(changed)


def every(array: Array) -> Iterator[tuple[str, bytes]]:
    """Each of the above once."""
    yield from other_types(array)
    yield from other_shapes(array)
    yield from other_values(array)


def drawn(random: Random, array: Array) -> bytes:
    """One change by chance: of the above, or of a few values among the array's own, absurd and any bits."""
    if random.random() < 0.3 or array.size == 0:
        return random.choice(list(every(array)))[1]
    changed = array.copy()
    for _ in range(random.choice((1, 1, 2, 5, array.size))):
        at, way = random.randrange(array.size), random.randrange(4)
        with np.errstate(all="ignore"):
            if way == 0:
                changed.flat[at] = np.array(random.choice(VALUES)).astype(array.dtype)
            elif way == 1:
                changed.flat[at] = array.flat[random.randrange(array.size)]
            elif way == 2:
                changed.flat[at] = np.frombuffer(random.randbytes(array.itemsize), array.dtype)[0]
            else:
                changed.flat[at] = np.array(random.randint(-3, array.size + 3)).astype(array.dtype)
    return stored(changed)
