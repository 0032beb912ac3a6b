"""What has been worked out once and is likely to be asked for again, in bounded memory."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

_ENTRY = 600
"""Bytes of an entry beside its texts: the objects, and their place in the table."""


class Kept(dict[K, V]):
    """A dictionary that forgets everything when it holds more than `most_bytes`: texts may be of any length."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self._most, self._bytes = most_bytes, 0

    def keep(self, key: K, value: V, size: int) -> V:
        """The value, from now on found under its key; `size` is what the texts of both have in bytes."""
        size += _ENTRY
        if self._bytes + size > self._most:
            self.clear()
            self._bytes = 0
        if size <= self._most:
            self[key] = value
            self._bytes += size
        return value
