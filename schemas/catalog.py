"""Every record that travels: its Avro schema, fingerprint and the JSON Schema of its JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from schemas.framing import Fingerprint

NAMES: Final = ("Event", "Vector", "Score", "IncidentEvent", "IncidentState", "GroupEvent", "Control", "Drift")

Schema = Mapping[str, Any]
"""An Avro schema as JSON object."""


@dataclass(frozen=True, slots=True)
class Record:
    """One kind of record. `raw` is its schema without logical types: the same bytes, with times as plain longs."""

    name: str
    schema: Schema
    raw: Schema
    canonical_form: str
    fingerprint: Fingerprint


@cache
def record(name: str) -> Record:
    """The record of that name. Raises `KeyError`, naming those there are."""
    if name not in NAMES:
        raise KeyError(f"no record is called {name!r}; there are {', '.join(NAMES)}")
    schema: dict[str, Any] = json.loads((files("schemas") / f"{name}.avsc").read_bytes())
    form, print_ = canonical(schema)
    return Record(name, schema, plain(schema), form, print_)


def canonical(schema: Schema) -> tuple[str, Fingerprint]:
    """A schema's Parsing Canonical Form and the CRC-64-AVRO fingerprint of it."""
    form = to_parsing_canonical_form(dict(schema))
    return form, Fingerprint(int.from_bytes(bytes.fromhex(fingerprint(form, "CRC-64-AVRO")), "little"))


def plain(schema: Schema) -> Schema:
    """`schema`, parsed for fastavro, without logical types."""

    def without(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: without(value) for key, value in node.items() if key != "logicalType"}
        return [without(entry) for entry in node] if isinstance(node, list) else node

    parsed = parse_schema(without(dict(schema)))
    assert isinstance(parsed, dict)
    return parsed


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the record's JSON form."""
    from schemas.json_schema import of

    return of(record(name).schema)
