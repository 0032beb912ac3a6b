"""Building `Events` one by one, for wire formats in which one record holds several events or each has other fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.columns import NULL_TIME, Events, Strings
from workers.intake.columns import NULL, Dictionary
from workers.intake.template import Template

Metric = tuple[str, float, int]
"""Name, value and type code (`schemas.columns.GAUGE` and so on)."""


class Distribution(NamedTuple):
    """`bounds` ascend, `counts` are one more: those up to and with each bound, and those above the last."""

    name: str
    bounds: Sequence[float]
    counts: Sequence[int]
    type_code: int


class EventRows:
    """Events in the order in which they are added; records must be added in ascending order.

    Weight is 1; there is no id, source and observed_at.
    """

    def __init__(self) -> None:
        self._entities, self._kinds = Dictionary(), Dictionary()
        self._attr_names, self._attr_values, self._names = Dictionary(), Dictionary(), Dictionary()
        self._rows: list[tuple[int, int, int, int]] = []  # record, time, entity, kind
        self._attributes: list[tuple[int, int, int]] = []  # row, name, value
        self._metrics: list[tuple[int, int, int]] = []  # row, name, type
        self._values: list[float] = []
        self._distributions: list[tuple[int, Distribution]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        record: int,
        time: int,
        entity: str,
        kind: str,
        attributes: Mapping[str, str],
        metrics: Iterable[Metric],
        distributions: Iterable[Distribution] = (),
    ) -> None:
        """`time` in epoch microseconds; attributes without a text are left out."""
        row = len(self._rows)
        self._rows.append((record, time, self._entities.code(entity), self._kinds.code(kind)))
        for name, text in attributes.items():
            if text:
                self._attributes.append((row, self._attr_names.code(name), self._attr_values.code(text)))
        for name, value, type_code in metrics:
            self._metrics.append((row, self._names.code(name), type_code))
            self._values.append(value)
        self._distributions.extend((row, one) for one in distributions)

    def drop(self, size: int) -> None:
        """Take back what was added since there were `size` events."""
        del self._rows[size:]
        while self._attributes and self._attributes[-1][0] >= size:
            self._attributes.pop()
        while self._metrics and self._metrics[-1][0] >= size:
            self._metrics.pop()
            self._values.pop()
        while self._distributions and self._distributions[-1][0] >= size:
            self._distributions.pop()

    def events(self) -> Events:
        rows = np.array(self._rows, np.int64).reshape(-1, 4)
        attributes = np.array(self._attributes, np.int32).reshape(-1, 3)
        metrics = np.array(self._metrics, np.int32).reshape(-1, 3)
        dists, names = [one for _, one in self._distributions], Dictionary()
        codes = np.array([names.code(one.name) for one in dists], np.int32)
        nothing = Strings(np.full(len(rows), NULL, np.int32), [])
        return Events(
            record=rows[:, 0].astype(np.int32),
            time=rows[:, 1].copy(),
            entity=self._entities.strings(rows[:, 2].astype(np.int32)),
            kind=self._kinds.strings(rows[:, 3].astype(np.int32)),
            weight=np.ones(len(rows)),
            observed_at=np.full(len(rows), NULL_TIME, np.int64),
            id=nothing,
            source=nothing,
            attr_row=attributes[:, 0].copy(),
            attr_name=self._attr_names.strings(attributes[:, 1].copy()),
            attr_value=self._attr_values.strings(attributes[:, 2].copy()),
            metric_row=metrics[:, 0].copy(),
            metric_name=self._names.strings(metrics[:, 1].copy()),
            metric_value=np.array(self._values, np.float64),
            metric_type=metrics[:, 2].astype(np.int8),
            dist_row=np.array([row for row, _ in self._distributions], np.int32),
            dist_name=names.strings(codes),
            bound_start=np.cumsum([0, *(len(one.bounds) for one in dists)], dtype=np.int64),
            bounds=np.array([bound for one in dists for bound in one.bounds], np.float64),
            count_start=np.cumsum([0, *(len(one.counts) for one in dists)], dtype=np.int64),
            counts=np.array([count for one in dists for count in one.counts], np.int64),
            dist_type=np.array([one.type_code for one in dists], np.int8),
        )


class Naming:
    """Entities of formats that speak of machines: the template where its attributes are there, else the host."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def entity(self, attributes: Mapping[str, str]) -> str | None:
        """None where neither can be told."""
        named = self._template.render([attributes.get(field) for field in self._template.fields])
        return named or attributes.get("host") or None

    @property
    def needs(self) -> str:
        """What has to be there, for people."""
        return f"{' and '.join(self._template.required) or 'an attribute of the entity template'}, or host"


def labelled(name: str, labels: Mapping[str, str]) -> str:
    """`disk_used_percent{path=/}`: metrics of one name that differ in labels are metrics of their own."""
    return with_labels(name, [(key, labels[key]) for key in sorted(labels) if labels[key]])


def with_labels(name: str, labels: Sequence[tuple[str, str]]) -> str:
    """A name with labels behind it. Commas and backslashes within a text have a backslash in front."""
    text = ",".join(f"{label}={_SPECIAL.sub(_BEHIND_BACKSLASH, value)}" for label, value in labels)
    return f"{name}{{{text}}}" if text else name


def labels_of(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The name and the labels that `with_labels` put together."""
    base, brace, inner = name.partition("{")
    if not brace or inner[-1:] != "}":
        return name, []
    pairs = (piece.partition("=") for piece in _LABEL.findall(inner[:-1]))
    return base, [(label, _ESCAPED.sub(r"\1", value)) for label, _, value in pairs]


_SPECIAL, _BEHIND_BACKSLASH = re.compile(r"([\\,])"), r"\\\1"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LABEL = re.compile(r"(?:[^\\,]|\\.)+|\\$", re.DOTALL)
