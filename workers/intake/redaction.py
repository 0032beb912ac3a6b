"""What must not be written down: texts of events dropped, replaced or hashed by rule, each distinct one once.

Rules apply to attributes, to the labels in the names of metrics and distributions (`name{label=…}`), and to the event's
entity, source and id under those names. They apply in their order, each to what the one before has left. A keyed hash
tells equal texts apart from others without telling what they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from workers.intake.columns import NULL, Dictionary
from workers.intake.event_rows import labels_of, with_labels
from workers.intake.remembered import Remembered
from workers.settings_intake import RedactionRule

_HASH_BYTES = 8
_INSTEAD = "[redacted]"
"""What stands for a text that must be there, and of which rules leave nothing."""

_MOST_KEPT = 100_000
_LONGEST_KEPT = 256
"""Characters of a name and a text together, of which the outcome is remembered: texts of logs do not come again."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """`change` gives what a text becomes; None: it is dropped."""

    names: tuple[str, ...]
    change: Callable[[str], str | None]

    def concerns(self, name: str) -> bool:
        return not self.names or any(fnmatchcase(name, pattern) for pattern in self.names)


class Redaction:
    """The rules of the settings. `key` is the secret of the hash."""

    def __init__(self, rules: Sequence[RedactionRule], key: str) -> None:
        secret = key.encode()
        self._rules = [_Rule(tuple(rule.names), _change(rule, secret)) for rule in rules]
        self._by_name: Remembered[str, list[_Rule]] = Remembered(_MOST_KEPT, _LONGEST_KEPT)
        self._known: Remembered[tuple[str, str], str] = Remembered(_MOST_KEPT, _LONGEST_KEPT)  # empty: dropped

    def applied(self, events: Events) -> Events:
        """The same events without what the rules take away. An attribute whose text is dropped is not there."""
        attributes, there = self._attributes(events.attr_name, events.attr_value)
        return replace(
            events,
            attr_row=events.attr_row[there],
            attr_name=Strings(events.attr_name.codes[there], events.attr_name.values),
            attr_value=attributes,
            metric_name=_mapped(events.metric_name, self._metric),
            dist_name=_mapped(events.dist_name, self._metric),
            entity=_mapped(events.entity, lambda text: self._text("entity", text) or _INSTEAD),
            source=_mapped(events.source, lambda text: self._text("source", text) or _INSTEAD),
            id=_mapped(events.id, lambda text: self._text("id", text) or _INSTEAD),
        )

    def _attributes(self, names: Strings, values: Strings) -> tuple[Strings, NDArray[np.bool_]]:
        """New values of those attributes that stay, and which ones these are."""
        pairs = names.codes.astype(np.int64) * max(1, len(values.values)) + values.codes
        distinct, which = np.unique(pairs, return_inverse=True)
        dictionary = Dictionary()
        codes = np.empty(len(distinct), np.int32)
        for i, pair in enumerate(distinct.tolist()):
            name, value = divmod(pair, max(1, len(values.values)))
            text = self._text(names.values[name], values.values[value])
            codes[i] = dictionary.code(text) if text else NULL
        found = codes[which]
        there = found != NULL
        return dictionary.strings(found[there]), there

    def _metric(self, name: str) -> str:
        base, labels = labels_of(name)
        if not labels:
            return name
        kept = ((label, self._text(label, text)) for label, text in labels)
        return with_labels(base, [(label, text) for label, text in kept if text])

    def _text(self, name: str, text: str) -> str | None:
        rules = self._by_name.get(name)
        if rules is None:
            rules = [rule for rule in self._rules if rule.concerns(name)]
            self._by_name.keep(name, rules, len(name))
        if not rules:
            return text
        known = self._known.get((name, text))
        if known is None:
            known = text
            for rule in rules:
                known = (rule.change(known) if known else None) or ""
            self._known.keep((name, text), known, len(name) + len(text))
        return known or None


def _change(rule: RedactionRule, key: bytes) -> Callable[[str], str | None]:
    if not rule.values:
        if rule.action == "drop":
            return lambda text: None
        return (lambda text: _hashed(text, key)) if rule.action == "hash" else (lambda text: rule.text)
    found = re.compile(rule.values)
    if rule.action == "drop":
        return lambda text: None if found.search(text) else text
    if rule.action == "hash":
        return lambda text: found.sub(lambda part: _hashed(part[0], key), text)
    return lambda text: found.sub(lambda part: rule.text, text)


def _hashed(text: str, key: bytes) -> str:
    """16 hex digits: BLAKE2b-64 with the key."""
    return blake2b(text.encode(), digest_size=_HASH_BYTES, key=key).hexdigest()


def _mapped(column: Strings, change: Callable[[str], str]) -> Strings:
    """A column with every distinct text changed; texts that become equal become one."""
    changed = [change(text) for text in column.values]
    if changed == list(column.values):
        return column
    dictionary = Dictionary()
    codes = np.array([*map(dictionary.code, changed), NULL], np.int32)
    return dictionary.strings(codes[column.codes])
