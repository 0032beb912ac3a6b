"""Deterministic ids: the same fields, the same id, on every machine and in every version."""

from __future__ import annotations

import hashlib

_BYTES = 16
_SEPARATOR = "\x1f"


def stable_id(*fields: str | int) -> str:
    """32 hex digits: BLAKE2b-128 over the fields in UTF-8, joined by 0x1F; integers in decimal."""
    text = _SEPARATOR.join(map(str, fields))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).hexdigest()
