"""The records that are few: dicts to bytes and back. Times in dicts are epoch microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from schemas.columns import Fault
from schemas.framing import Resolver, Writer


def encode(
    name: str,
    records: Sequence[Mapping[str, Any]],
    form: Literal["json", "avro"] = "json",
    framing: Writer | None = None,
) -> list[bytes]:
    """One value per record of that name (`catalog.NAMES`)."""
    raise NotImplementedError


def decode(
    name: str, values: Sequence[bytes | None], *, resolver: Resolver | None = None
) -> tuple[list[dict[str, Any] | None], list[Fault]]:
    """One dict per value, None where there is a fault."""
    raise NotImplementedError
