"""Keys of the compacted state topic: one per entity and profile."""

from __future__ import annotations

_SEPARATOR = b"\x1f"


def state_key(entity: str, profile: str) -> bytes:
    """The entity, a unit separator, the profile; both in UTF-8. A profile's name never holds the separator."""
    return entity.encode() + _SEPARATOR + profile.encode()


def split_key(key: bytes) -> tuple[str, str]:
    """Entity and profile of a key."""
    entity, _, profile = key.rpartition(_SEPARATOR)
    return entity.decode(), profile.decode()
