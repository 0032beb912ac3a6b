"""Who sits where: entities by name, their seat numbers, and the seats in order of names."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_FEW = 32


class Roster:
    """Names ↔ seat numbers. `order` lists the occupied seats by name (code points, which is UTF-8 byte order)."""

    __slots__ = ("_free", "_names_sorted", "keys", "names", "order", "seat_of")

    def __init__(self) -> None:
        self.seat_of: dict[str, int] = {}
        self.names: list[str] = []  # by seat
        self.keys: list[bytes] = []  # the same in UTF-8
        self.order: NDArray[np.int32] = np.empty(0, np.int32)
        self._names_sorted: list[str] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.seat_of)

    @property
    def seats(self) -> int:
        """How many seats there are, free ones included."""
        return len(self.names)

    @property
    def free(self) -> int:
        return len(self._free)

    def add_seats(self, n: int) -> None:
        """n more free seats, numbered on."""
        first = len(self.names)
        self.names.extend([""] * n)
        self.keys.extend([b""] * n)
        self._free.extend(range(first + n - 1, first - 1, -1))

    def join(self, names: Sequence[str]) -> list[int]:
        """Seat new entities; returns their seats. There must be enough free ones."""
        seats = [self._free.pop() for _ in names]
        for name, seat in zip(names, seats, strict=True):
            self._sit(name, seat)
        self._sort_in(sorted(names))
        return seats

    def join_at(self, names: Sequence[str], seats: Sequence[int]) -> None:
        """Seat entities on given seats of an empty roster."""
        taken = set(seats)
        self._free = [seat for seat in self._free if seat not in taken]
        for name, seat in zip(names, seats, strict=True):
            self._sit(name, seat)
        self._sort_in(sorted(names))

    def dismiss(self, seats: Iterable[int]) -> None:
        """Free seats."""
        gone = [int(seat) for seat in seats]
        for seat in gone:
            del self.seat_of[self.names[seat]]
            self.names[seat], self.keys[seat] = "", b""
        self._free.extend(gone)
        keep = ~np.isin(self.order, gone)
        self.order = self.order[keep]
        self._names_sorted = [self.names[seat] for seat in self.order]

    def _sit(self, name: str, seat: int) -> None:
        self.seat_of[name] = seat
        self.names[seat] = name
        self.keys[seat] = name.encode()

    def _sort_in(self, fresh: list[str]) -> None:
        places = [bisect_left(self._names_sorted, name) for name in fresh]
        self.order = np.insert(self.order, places, [self.seat_of[name] for name in fresh])
        if len(fresh) > _FEW:
            self._names_sorted = sorted(self._names_sorted + fresh)  # two sorted runs: linear
            return
        for moved, (place, name) in enumerate(zip(places, fresh, strict=True)):
            self._names_sorted.insert(place + moved, name)
