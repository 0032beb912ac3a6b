"""Which labels a rule of a mapping means: `where` and `except`, the same in every file."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

Wanted = Mapping[str, tuple[str, ...]]
"""Texts by label, `*`, `?` and `[]` as in names of files. A label that is not there is an empty text."""

_WILDCARDS = frozenset("*?[")


def all_fit(wanted: Wanted, labels: Mapping[str, str]) -> bool:
    """`where`: every label named has one of its texts."""
    return all(_is_one(labels.get(label, ""), texts) for label, texts in wanted.items())


def any_fits(unwanted: Wanted, labels: Mapping[str, str]) -> bool:
    """`except`: a label named has one of its texts, whatever the others have."""
    return any(_is_one(labels.get(label, ""), texts) for label, texts in unwanted.items())


def _is_one(text: str, texts: tuple[str, ...]) -> bool:
    return text in texts or any(fnmatchcase(text, pattern) for pattern in _patterns(texts))


@lru_cache(1_000)
def _patterns(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a rule's texts that fit others, too. Some formats ask about every point."""
    return tuple(text for text in texts if not _WILDCARDS.isdisjoint(text))
