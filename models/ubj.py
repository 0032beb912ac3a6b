"""Reading Universal Binary JSON (ubjson.org, draft 12), the form in which XGBoost saves its models.

The one library for it is no longer looked after; and a bundle's files may come from anyone, so what is read is bounded
by the bytes that are there. Arrays of one kind of number become numpy arrays.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np

_NUMBERS: Final = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_CONSTANTS: Final = {b"Z": None, b"T": True, b"F": False}
_DEEPEST: Final = 16


class UbjError(ValueError):
    """Bytes that are no such document."""


def read_ubj(blob: bytes) -> Any:
    """The document: dicts, lists, texts, numbers and numpy arrays. Raises `UbjError`."""
    try:
        reader = _Reader(blob)
        document = reader.value(reader.take(1), 0)
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise UbjError(f"not a document in UBJSON: {error}") from error
    if reader.at != len(blob):
        raise UbjError("not a document in UBJSON: something follows its end")
    return document


class _Reader:
    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self.at = 0

    def take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._blob) - self.at:
            raise UbjError("not a document in UBJSON: it ends too early")
        self.at += size
        return self._blob[self.at - size : self.at]

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise UbjError("not a document in UBJSON: nested too deeply")
        if marker in _NUMBERS:
            form = _NUMBERS[marker]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self._text()
        if marker == b"[":
            return self._array(depth)
        if marker == b"{":
            return self._object(depth)
        raise UbjError(f"not a document in UBJSON: no value begins with {marker!r}")

    def _text(self) -> str:
        return self.take(self._count()).decode()

    def _count(self) -> int:
        size = self.value(self.take(1), 0)
        if type(size) is not int or not 0 <= size <= len(self._blob):
            raise UbjError("not a document in UBJSON: a length that is none")
        return size

    def _head(self) -> tuple[bytes | None, int | None]:
        """The common type of a container's values and how many there are, where it says so."""
        kind = None
        if self._next() == b"$":
            self.at += 1
            kind = self.take(1)
        if self._next() == b"#":
            self.at += 1
            return kind, self._count()
        if kind is not None:
            raise UbjError("not a document in UBJSON: a type without a count")
        return None, None

    def _next(self) -> bytes:
        return self._blob[self.at : self.at + 1]

    def _array(self, depth: int) -> Any:
        kind, count = self._head()
        if kind in _NUMBERS and count is not None:
            form = _NUMBERS[kind]
            return np.frombuffer(self.take(count * struct.calcsize(form)), form)
        if kind is not None:
            raise UbjError("not a document in UBJSON: typed arrays are of numbers here")
        if count is not None:
            return [self.value(self.take(1), depth + 1) for _ in range(count)]
        found = []
        while (marker := self.take(1)) != b"]":
            found.append(self.value(marker, depth + 1))
        return found

    def _object(self, depth: int) -> dict[str, Any]:
        kind, count = self._head()
        if kind is not None or count is not None:
            raise UbjError("not a document in UBJSON: objects are plain here")
        found: dict[str, Any] = {}
        while self._next() != b"}":
            name = self._text()
            found[name] = self.value(self.take(1), depth + 1)
        self.at += 1
        return found
