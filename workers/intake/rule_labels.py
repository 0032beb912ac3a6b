"""Which labels a rule of a mapping means: `where` and `except`, the same in every file."""

from __future__ import annotations

from collections.abc import Mapping

Wanted = Mapping[str, tuple[str, ...]]
"""Texts by label. A label that is not there is an empty text."""


def all_fit(wanted: Wanted, labels: Mapping[str, str]) -> bool:
    """`where`: every label named has one of its texts."""
    return all(labels.get(label, "") in texts for label, texts in wanted.items())


def any_fits(unwanted: Wanted, labels: Mapping[str, str]) -> bool:
    """`except`: a label named has one of its texts, whatever the others have."""
    return any(labels.get(label, "") in texts for label, texts in unwanted.items())
