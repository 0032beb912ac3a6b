"""What stands before an Avro datum and names the schema it was written with.

Single-object encoding: C3 01 and the schema's CRC-64-AVRO fingerprint, little endian. Confluent framing: 00 and the
registry's id of the schema, four bytes, big endian.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

SINGLE_OBJECT: Final = b"\xc3\x01"
CONFLUENT: Final = b"\x00"
SINGLE_OBJECT_HEADER: Final = 10
"""Bytes of the marker and the fingerprint."""

CONFLUENT_HEADER: Final = 5
"""Bytes of the marker and the id."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A schema named by its CRC-64-AVRO fingerprint: the eight bytes as they stand in the header, as an integer."""

    value: int

    @property
    def header(self) -> bytes:
        return SINGLE_OBJECT + self.value.to_bytes(8, "little")

    def __str__(self) -> str:
        return f"fingerprint {self.value:016x}"


@dataclass(frozen=True, slots=True)
class SchemaId:
    """A schema named by its id in a Confluent schema registry."""

    value: int

    @property
    def header(self) -> bytes:
        return CONFLUENT + self.value.to_bytes(4, "big")

    def __str__(self) -> str:
        return f"schema id {self.value}"


Writer = Fingerprint | SchemaId
"""How a record says with which schema it was written."""

Resolver = Callable[[Writer], Mapping[str, Any] | None]
"""Looks up the writer's schema (an Avro schema as JSON object); None where there is no such schema.

It raises `faults.Unreadable` where the schema is of no use here (Protobuf), which its records then are faults of. It is
asked once per batch and schema. What else it raises (a registry out of reach) goes through to the caller: the batch is
then not decoded, so that no record becomes a dead letter for a fault of the network.
"""
