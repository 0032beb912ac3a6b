"""Plain JSON, one object a record, read by a mapping of fields (`workers/intake/mapping.py`).

Records of one producer nearly always have the same keys. So records are grouped by those of their keys that the mapping
knows, what it means for such keys is worked out once (a `Plan`), and a group is read column by column.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.columns import Events, Fault
from schemas.faults import INVALID, MALFORMED, shown
from workers.intake.columns import NULL, EventColumns
from workers.intake.formats.remote_write import is_block
from workers.intake.json_values import scaled, text_of
from workers.intake.mapping import KINDS, Mapping
from workers.intake.moments import reader
from workers.intake.plan import Place, Places, Plan, column, find, first_steps, known_keys, make_plan
from workers.intake.remembered import Remembered
from workers.intake.template import parse_template
from workers.intake.time_columns import times_of

_MOST_KEPT = 1_000
_LONGEST_KEPT = 16_384
"""Characters of a document's keys together."""

_MetricColumn = tuple[str, NDArray[np.bool_], NDArray[np.float64], NDArray[np.int8]]


class FieldsFormat:
    """`Format` of plain JSON. The entity is the mapping's template, or else `entity`, over the mapped attributes."""

    name = "fields"
    marks = (b"{",)

    def __init__(self, mapping: Mapping, entity: str, zone: tzinfo = UTC) -> None:
        """`zone`: of times that are written without one."""
        self._mapping = mapping
        self._template = parse_template(mapping.entity or entity)
        self._otherwise = parse_template(mapping.entity_else) if mapping.entity_else else None
        self._time = reader(mapping.timestamp.unit, zone)
        self._steps = first_steps(mapping)
        self._known: Remembered[tuple[str, ...], tuple[str, ...]] = Remembered(_MOST_KEPT, _LONGEST_KEPT)
        self._plans: Remembered[tuple[str, ...], Plan] = Remembered(_MOST_KEPT, _LONGEST_KEPT)

    def claims(self, value: bytes) -> bool:
        if value.startswith(b'{"'):
            return True
        return value.lstrip()[:1] == b"{" and not is_block(value)  # as a request of 123 bytes, packed, begins

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        return self.read([parsed(value) for value in values])

    def read(self, documents: Sequence[Any]) -> tuple[Events, list[Fault]]:
        """As `decode`, of what `parsed` gave."""
        faults: dict[int, Fault] = {}
        groups: dict[tuple[str, ...], _Group] = {}
        by_keys: dict[tuple[str, ...], _Group] = {}  # keys as they are, in front of those that the mapping knows
        for record, fields in enumerate(documents):
            if type(fields) is dict:
                keys = tuple(fields)
                group = by_keys.get(keys)
                if group is None:
                    known = self._known_keys(keys)
                    group = groups.get(known)
                    if group is None:
                        group = groups[known] = _Group(self._plan(known), faults)
                    by_keys[keys] = group
                group.records.append(record)
                group.rows.append(fields)
            elif isinstance(fields, orjson.JSONDecodeError):
                faults[record] = Fault(record, MALFORMED, f"not JSON ({fields}); send one JSON object a record")
            else:
                faults[record] = Fault(record, INVALID, "not a JSON object; send one JSON object a record")
        columns = EventColumns()
        for group in groups.values():
            self._read(columns, group)
        return columns.events(), [faults[record] for record in sorted(faults)]

    def _known_keys(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """The keys that the mapping knows, sorted: records that differ in others are of one group."""
        known = self._known.get(keys)
        if known is None:
            known = known_keys(keys, self._steps, self._mapping.patterns)
            self._known.keep(keys, known, _size(keys))
        return known

    def _plan(self, keys: tuple[str, ...]) -> Plan:
        plan = self._plans.get(keys)
        if plan is None:
            plan = make_plan(self._mapping, keys)
            self._plans.keep(keys, plan, _size(keys))
        return plan

    def _read(self, columns: EventColumns, group: _Group) -> None:
        times = self._times(group)
        meanings = self._mapping.values
        attributes = [
            (name, _codes(columns, column(group.rows, places), meanings.get(name, {})))
            for name, places in group.plan.attributes
        ]
        metrics = [_metric(group, name, places) for name, places in group.plan.metrics]
        metrics += [_loose_metric(group, name, places[0]) for name, places in group.plan.patterns]
        entity = self._entities(columns, group, dict(attributes))
        kind = self._kinds(columns, group, attributes, metrics)
        records = np.array(group.records, np.int32)
        bad = group.bad()
        if bad:
            good = np.ones(len(records), np.bool_)
            good[bad] = False
            records, times, entity, kind = records[good], times[good], entity[good], kind[good]
            attributes = [(name, codes[good]) for name, codes in attributes]
            metrics = [(name, there[good], value[good], types[good]) for name, there, value, types in metrics]
        columns.add(records, times, entity, kind, attributes, metrics)

    def _times(self, group: _Group) -> NDArray[np.int64]:
        values = column(group.rows, group.plan.time)
        alike = times_of(values) if self._mapping.timestamp.unit in ("auto", "rfc3339") else None
        if alike is not None:
            return alike
        times = np.zeros(len(group.rows), np.int64)
        read, found = self._time, []
        for row, value in enumerate(values):
            try:
                found.append(read(value))
            except (ValueError, OverflowError) as error:
                found.append(0)
                group.fault(row, *self._no_time(value, error))
        times[:] = found
        return times

    def _no_time(self, value: object, error: Exception) -> tuple[str, str]:
        if value is not None:
            return INVALID, f"timestamp {shown(str(value))} {error}"
        paths = ", ".join(self._mapping.timestamp.paths)
        return INVALID, f"no timestamp: none of {paths} is there; add one, or name its path in the mapping"

    def _entities(
        self, columns: EventColumns, group: _Group, attributes: dict[str, NDArray[np.int32]]
    ) -> NDArray[np.int32]:
        """Codes of the entities' names; rendered once for each combination of values."""
        missing = np.full(len(group.rows), NULL, np.int32)
        fields, otherwise = self._template.fields, self._otherwise
        parts = [
            attributes.get(field, missing).tolist() for field in (*fields, *(otherwise.fields if otherwise else ()))
        ]
        texts = list(columns.attr_values.codes)
        known: dict[tuple[int, ...], int] = {}
        codes = []
        for row, combination in enumerate(zip(*parts, strict=True)):
            code = known.get(combination)
            if code is None:
                values = [None if part == NULL else texts[part] for part in combination]
                name = self._template.render(values[: len(fields)])
                if name is None and otherwise is not None:
                    name = otherwise.render(values[len(fields) :])
                code = known[combination] = NULL if name is None else columns.entities.code(name)
            if code == NULL:
                group.fault(row, INVALID, self._why_no_entity(combination))
            codes.append(code)
        return np.array(codes, np.int32)

    def _why_no_entity(self, combination: Sequence[int]) -> str:
        template = self._template
        absent = {field for field, code in zip(template.fields, combination, strict=False) if code == NULL}
        missing = [field for field in template.required if field in absent] or list(template.fields)
        paths = [path for name in missing for path in self._mapping.attributes.get(name, ())]
        return (
            f"no entity: {', '.join(missing)} is missing, which the template {template.text} needs; "
            f"add one of {', '.join(paths) or 'them'}, or name its path in the mapping"
        )

    def _kinds(
        self,
        columns: EventColumns,
        group: _Group,
        attributes: Sequence[tuple[str, NDArray[np.int32]]],
        metrics: Sequence[_MetricColumn],
    ) -> NDArray[np.int32]:
        rule, code = self._mapping.kind, columns.kinds.code
        there = {name: codes != NULL for name, codes in attributes}
        there |= {metric[0]: metric[1] for metric in metrics}
        kinds = np.full(len(group.rows), code(rule.default), np.int32)
        for case in reversed(rule.when):
            for name in case.has:
                if name in there:
                    kinds[there[name]] = code(case.kind)
        if group.plan.kind:
            for row, said in enumerate(column(group.rows, group.plan.kind)):
                if said in KINDS:
                    kinds[row] = code(said)
        return kinds


def parsed(value: bytes | str) -> Any:
    """The JSON document, or the error that says why it is none."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return error


class _Group:
    """Records with the same known keys, and the faults found in them."""

    __slots__ = ("faults", "plan", "records", "rows")

    def __init__(self, plan: Plan, faults: dict[int, Fault]) -> None:
        self.plan = plan
        self.faults = faults
        self.records: list[int] = []
        self.rows: list[dict[str, Any]] = []

    def fault(self, row: int, error_class: str, message: str) -> None:
        """The first fault of a record is the one that is told."""
        self.faults.setdefault(self.records[row], Fault(self.records[row], error_class, message))

    def bad(self) -> list[int]:
        return [row for row, record in enumerate(self.records) if record in self.faults] if self.faults else []


def _size(keys: tuple[str, ...]) -> int:
    return sum(map(len, keys)) + len(keys)


def _codes(columns: EventColumns, values: list[Any], meanings: dict[str, str]) -> NDArray[np.int32]:
    """Attribute values, or their meanings, as codes of the shared dictionary; null and empty text are no value."""
    if len(set(map(type, values))) > 1:  # equal values of different types, 1 and true, are different texts
        values = [text_of(value) for value in values]
    known = {}
    for value in dict.fromkeys(values):
        text = text_of(value)
        if meanings:
            text = meanings.get(text.lower(), text)
        known[value] = columns.attr_values.code(text) if text else NULL
    return np.fromiter(map(known.__getitem__, values), np.int32, len(values))


def _metric(group: _Group, name: str, places: Places) -> _MetricColumn:
    """A mapped metric; a value that is no finite number is a fault of its record."""
    if len(places) == 1 and not places[0].below:
        values = [row[places[0].key] for row in group.rows]
        if set(map(type, values)) <= {float}:
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows is told record by record below
                products = np.array(values, np.float64) * places[0].scale
            if np.isfinite(products).all():
                types = np.full(len(values), places[0].type, np.int8)
                return name, np.ones(len(values), np.bool_), products, types
    there = np.zeros(len(group.rows), np.bool_)
    numbers, types = np.zeros(len(there)), np.zeros(len(there), np.int8)
    for row, fields in enumerate(group.rows):
        value, place = find(fields, places)
        if place is None:
            continue
        number = scaled(value, place.scale)
        if number is None:
            field = ".".join((place.key, *place.below))
            message = f"metric {name}: {shown(str(value))} in the field {field} is not a finite number; send a number"
            group.fault(row, INVALID, message)
            continue
        there[row], numbers[row], types[row] = True, number, place.type
    return name, there, numbers, types


def _loose_metric(group: _Group, name: str, place: Place) -> _MetricColumn:
    """Top-level fields that match a pattern and are numbers; whatever else they hold is not a metric."""
    values = [row[place.key] for row in group.rows]
    numeric = (value if type(value) is float or type(value) is int else None for value in values)
    numbers = [scaled(value, place.scale) for value in numeric]
    there = np.array([number is not None for number in numbers], np.bool_)
    filled = np.array([0.0 if number is None else number for number in numbers])
    return name, there, filled, np.full(len(values), place.type, np.int8)
