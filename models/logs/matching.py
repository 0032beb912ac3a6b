"""Which kind of message a text is, by frozen templates. Nothing is learned here: equal texts get equal answers.

A text is of the template whose words it has, `<*>` standing for any one word; of several the one with the most words of
its own, and of those the one that was said more often. A text of none is *new*, and its kind is the hash of its masked
words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.logs.masking import mask, words
from models.logs.templates import Templates, is_mask

NEW_SLOTS = 16
"""New kinds that an entity's windows tell apart; those whose hashes fall into one slot are counted together."""

KIND_BITS = 256
REMEMBERED = 50_000
"""Masked texts whose answer is kept; what was forgotten is worked out again."""

NO_KIND = -1
"""Of a text without any word."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What n texts are. `cell` (n,): the place of a counted template; `counted` for any other template; from
    `counted` + 1 on the slots of new kinds; `NO_KIND`. `bit` (n,): of `KIND_BITS`, by which distinct kinds are counted,
    or `NO_KIND`.
    """

    cell: NDArray[np.int16]
    bit: NDArray[np.int16]


class Matcher:
    """Frozen templates, indexed."""

    def __init__(self, templates: Templates) -> None:
        self.counted = templates.counted
        self.cells = self.counted + 1 + NEW_SLOTS
        self._known: dict[bytes, tuple[int, int]] = {}
        self._exact: dict[tuple[str, ...], int] = {}
        self._open: dict[int, list[tuple[int, tuple[tuple[int, str], ...]]]] = {}
        order = sorted(range(len(templates.templates)), key=lambda i: (_masks(templates, i), i))
        for place in order:
            found = templates.templates[place].words
            fixed = tuple((at, word) for at, word in enumerate(found) if not is_mask(word))
            if len(fixed) == len(found):
                self._exact[found] = place
            self._open.setdefault(len(found), []).append((place, fixed))
        self._indexes = {length: _Index(open_) for length, open_ in self._open.items()}

    def place(self, masked: bytes) -> int:
        """The template's place in its file; −1 for a new kind."""
        found = tuple(words(masked))
        exact = self._exact.get(found)
        if exact is not None:
            return exact
        index = self._indexes.get(len(found))
        return index.find(found) if index is not None else -1

    def kinds(self, texts: Sequence[str]) -> Kinds:
        """What these texts are; quick for texts whose masked words came before."""
        known, found = self._known, []
        for masked in mask(texts):
            kind = known.get(masked)
            if kind is None:
                if len(known) >= REMEMBERED:
                    known.clear()
                kind = known[masked] = self._kind(masked)
            found.append(kind)
        table = np.array(found, np.int16).reshape(len(found), 2)
        return Kinds(np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1]))

    def is_new(self, cell: int) -> bool:
        return cell > self.counted

    def _kind(self, masked: bytes) -> tuple[int, int]:
        if not masked:
            return NO_KIND, NO_KIND
        place = self.place(masked)
        if place >= 0:
            return min(place, self.counted), _hash(f"template {place}".encode()) % KIND_BITS
        number = new_kind(masked)
        return self.counted + 1 + number % NEW_SLOTS, (number // NEW_SLOTS) % KIND_BITS


class _Index:
    """Templates of one number of words, most words of their own first, by the first of those."""

    def __init__(self, templates: Sequence[tuple[int, tuple[tuple[int, str], ...]]]) -> None:
        self._rank = {place: rank for rank, (place, _) in enumerate(templates)}
        self._by_word: dict[tuple[int, str], list[tuple[int, tuple[tuple[int, str], ...]]]] = {}
        self._any = min((rank for rank, (_, fixed) in enumerate(templates) if not fixed), default=-1)
        self._places = [place for place, _ in templates]
        for rank, (_, fixed) in enumerate(templates):
            if fixed:
                self._by_word.setdefault(fixed[0], []).append((rank, fixed))

    def find(self, found: tuple[str, ...]) -> int:
        best = self._any if self._any >= 0 else len(self._places)
        for key in enumerate(found):
            for rank, fixed in self._by_word.get(key, ()):
                if rank >= best:
                    break
                if all(found[at] == word for at, word in fixed):
                    best = rank
                    break
        return self._places[best] if best < len(self._places) else -1


def new_kind(masked: bytes) -> int:
    """The hash by which a new kind is known."""
    return _hash(masked)


def _masks(templates: Templates, place: int) -> int:
    return sum(is_mask(word) for word in templates.templates[place].words)


@lru_cache(maxsize=100_000)
def _hash(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
