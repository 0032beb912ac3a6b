"""Public keys as people write them into settings: `ed25519:` and the key's 32 bytes in base64."""

from __future__ import annotations

import base64
import binascii

PREFIX = "ed25519:"


class KeyProblem(ValueError):
    """A key that is none, or cannot be read. The message says which and what is expected."""


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a public key. Raises KeyProblem."""
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(PREFIX) or len(found) != 32:
        raise KeyProblem(
            f"{text!r} is no public key; expected {PREFIX} and 44 characters, as `faultline models keygen` prints them"
        )
    return found


def key_text(key: bytes) -> str:
    """The text of a public key."""
    return PREFIX + base64.b64encode(key).decode()
