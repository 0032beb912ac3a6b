"""Identifiers that are the same everywhere: hashes of what they identify, never random, never of this process."""

from __future__ import annotations

from hashlib import blake2b

_SEPARATOR = "\x1f"


def stable_id(*fields: str | int) -> str:
    """32 hex digits: BLAKE2b-128 over the fields in UTF-8, joined by 0x1F; integers in decimal."""
    return blake2b(_SEPARATOR.join(map(str, fields)).encode(), digest_size=16).hexdigest()
