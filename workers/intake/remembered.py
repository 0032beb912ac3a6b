"""What has been worked out for keys that come again, in bounded memory: keys come from outside, and may be anything."""

from __future__ import annotations

from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_MOST_BYTES = 64 << 20
_LONGEST = 4_096


class Remembered(Generic[_Key, _Value]):
    """A cache that begins anew when it is full: of `entries`, or of `most_bytes` of keys.

    Keys longer than `longest` are not kept: long texts seldom come again. Sizes are the caller's, in characters or
    bytes; values should not be larger than their keys by more than a constant.
    """

    def __init__(self, entries: int, longest: int = _LONGEST, most_bytes: int = _MOST_BYTES) -> None:
        self._entries, self._longest, self._most_bytes = entries, longest, most_bytes
        self._kept: dict[_Key, _Value] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: _Key) -> _Value | None:
        return self._kept.get(key)

    def keep(self, key: _Key, value: _Value, size: int) -> None:
        """Keep what is not kept yet; `size` is that of the key."""
        if size > self._longest:
            return
        if len(self._kept) >= self._entries or self.size + size > self._most_bytes:
            self._kept.clear()
            self.size = 0
        self._kept[key] = value
        self.size += size
