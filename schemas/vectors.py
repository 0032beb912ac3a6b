"""Feature vectors: blocks of one profile and feature set to bytes and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from schemas.columns import Fault, Vectors
from schemas.framing import Resolver, Writer


def encode_vectors(
    vectors: Vectors, framing: Writer | None = None, *, form: Literal["avro", "json"] = "avro"
) -> list[bytes]:
    """One value per row. `framing` names the schema otherwise than by our fingerprint."""
    raise NotImplementedError


def decode_vectors(
    values: Sequence[bytes | None], *, resolver: Resolver | None = None
) -> tuple[list[Vectors], list[Fault]]:
    """The vectors of a batch in blocks of one profile, version, feature set and names; `at` are record numbers."""
    raise NotImplementedError
