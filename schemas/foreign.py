"""Datums of schemas that are not ours, read as plain Python values, whatever their writer or whoever damaged them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import fastavro
from fastavro import _read_py as read_in_python
from fastavro.read import LOGICAL_READERS

from schemas.faults import INVALID, MALFORMED, TOO_LARGE, UNKNOWN_SCHEMA, Unreadable

_Reader = Callable[..., Any]
_read_decimal: Final[_Reader] = LOGICAL_READERS["bytes-decimal"]
_MOST_DECIMAL_BYTES: Final = 256
"""More than any double has. The time that a decimal takes grows with the square of its digits: minutes for 900 kB."""
_WRAPPER: Final = "faultline.v1.Wrapper"


def _bounded_decimal(data: bytes, *schemas: Any) -> Any:
    if len(data) > _MOST_DECIMAL_BYTES:
        most = f"at most {_MOST_DECIMAL_BYTES} are taken; send it as bytes or text"
        raise Unreadable(TOO_LARGE, f"a decimal of {len(data):,} bytes, and {most}")
    return _read_decimal(data, *schemas)


LOGICAL_READERS["bytes-decimal"] = LOGICAL_READERS["fixed-decimal"] = _bounded_decimal
"""Both readers of the library look logical types up there, and nothing else bounds what a decimal may hold."""


def wrapped(schema: Any) -> dict[str, Any]:
    """A schema as JSON object. What is none, such as a union, becomes the only field of a record: the same bytes."""
    if isinstance(schema, dict):
        return schema
    return {"type": "record", "name": _WRAPPER, "fields": [{"name": "value", "type": schema}]}


class Foreign:
    """A writer's schema, ready to read. `name` is its full name, empty where it is not a record.

    `plain`: it holds nothing but texts, numbers, truth values and what is made of these; otherwise values may also be
    bytes, `datetime`, `date`, `time`, `Decimal` or `UUID` (logical types).
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises `Unreadable` for what is no Avro schema, or can hold endlessly many values in no bytes."""
        try:
            self._schema = cast(Any, fastavro.parse_schema(dict(schema)))
            named = self._schema.get("__named_schemas", {}) if isinstance(self._schema, dict) else {}
            parts: list[Any] = list(_parts(self._schema, named, set()))
            if any(_kind(part) == "array" and _takes_no_bytes(_items(part), named, set()) for part in parts):
                raise Unreadable(UNKNOWN_SCHEMA, "the writer's schema has an array whose items take no bytes")
        except Unreadable:
            raise
        except Exception as error:  # what a wrong schema makes of the library is not a closed set
            raise Unreadable(UNKNOWN_SCHEMA, f"the writer's schema is no Avro schema: {error!r}") from error
        self.name = str(self._schema["name"]) if _kind(self._schema) == "record" else ""
        self.plain = not any(_kind(part) in ("bytes", "fixed") or _is_logical(part) for part in parts)
        # The compiled reader does not count how deep it is: a nested datum of 30 kB would end the process.
        self.recursive = any(_refers_to_itself(name, named) for name in named)
        self._read: _Reader = read_in_python.schemaless_reader if self.recursive else fastavro.schemaless_reader

    def read(self, datum: bytes) -> Any:
        """The value. Raises `Unreadable`."""
        source = io.BytesIO(datum)
        try:
            found = self._read(source, self._schema, None)
        except Unreadable:
            raise
        except OverflowError as error:
            raise Unreadable(INVALID, f"a time or number of the datum cannot be represented: {error}") from error
        except RecursionError as error:
            raise Unreadable(MALFORMED, "the datum is nested too deeply") from error
        except Exception as error:  # what damage makes of the reader is not a closed set
            raise Unreadable(MALFORMED, f"no datum of its schema: {error or type(error).__name__}") from error
        left = len(datum) - source.tell()
        if left:
            raise Unreadable(MALFORMED, f"{left} bytes are left over behind the datum")
        return found["value"] if self.name == _WRAPPER else found


def _kind(node: Any) -> Any:
    """A type's name; for what is given by an inner object, of that one."""
    while isinstance(node, dict) and isinstance(node.get("type"), dict):
        node = node["type"]
    return node.get("type") if isinstance(node, dict) else node


def _items(node: Any) -> Any:
    while "items" not in node:
        node = node["type"]
    return node["items"]


def _is_logical(node: Any) -> bool:
    return isinstance(node, dict) and "logicalType" in node


def _inner(node: Any) -> list[Any]:
    """The types that a type is made of, one step down."""
    if isinstance(node, list):
        return node
    if not isinstance(node, dict):
        return []
    fields = [field["type"] for field in node.get("fields", ())]
    own = node["type"]
    return [
        *fields,
        *(node[key] for key in ("items", "values") if key in node),
        *([own] if type(own) is not str else []),
    ]


def _parts(node: Any, named: Mapping[str, Any], seen: set[str]) -> Iterator[Any]:
    """Every type within a schema, each named one once."""
    if isinstance(node, str) and node in named:
        if node in seen:
            return
        seen.add(node)
        node = named[node]
    elif isinstance(node, dict) and "name" in node:
        seen.add(node["name"])
    yield node
    for part in _inner(node):
        yield from _parts(part, named, seen)


def _takes_no_bytes(node: Any, named: Mapping[str, Any], within: set[str]) -> bool:
    if isinstance(node, str) and node in named:
        if node in within:
            return True  # what it holds beside itself decides
        return _takes_no_bytes(named[node], named, {*within, node})
    kind = _kind(node)
    if kind == "record":
        return all(_takes_no_bytes(part, named, within) for part in _inner(node))
    return bool(kind == "null" or (kind == "fixed" and node["size"] == 0))


def _refers_to_itself(name: str, named: Mapping[str, Any]) -> bool:
    return any(part == name for inner in _inner(named[name]) for part in _references(inner, named, set()))


def _references(node: Any, named: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    """The names that are reached from a type."""
    if isinstance(node, str):
        if node in named and node not in seen:
            seen.add(node)
            yield node
            for part in _inner(named[node]):
                yield from _references(part, named, seen)
        return
    for part in _inner(node):
        yield from _references(part, named, seen)
