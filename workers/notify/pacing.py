"""How many messages people get: pages gather, a few a minute go singly, and what is more goes as one digest.

Pure but for what was sent: time is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from workers.notify.page import Page

MINUTE = 60.0
_MOST_REMEMBERED = 100_000


class HasPage(Protocol):
    @property
    def page(self) -> Page: ...

    @property
    def arrived(self) -> float: ...


Waiting = TypeVar("Waiting", bound=HasPage)


@dataclass(frozen=True, slots=True)
class Planned(Generic[Waiting]):
    """One message to send now: pages together as a digest or a batch.

    `free`: not counted; `dropped`: not sent, since an earlier digest has said enough.
    """

    pages: Sequence[Waiting]
    digest: bool = False
    free: bool = False
    dropped: bool = False


@dataclass(slots=True)
class Pace:
    """`gather`: seconds that the oldest page waits for others; `most`: messages in any minute, 0 = no limit.

    `keyed`: the target keeps an incident open until told that it is over. Those pages are free and wait for nothing,
    unless a digest opened the incident: then there is nothing to close.
    """

    gather: float
    most: int
    keyed: bool
    _sent: deque[float] = field(default_factory=deque)
    _digested: dict[str, None] = field(default_factory=dict)

    def plan(self, waiting: Sequence[Waiting], now: float) -> list[Planned[Waiting]]:
        """What to send now, in this order; what is in no message waits."""
        free, counted = self._sorted(waiting)
        if not counted or now - min(one.arrived for one in counted) < self.gather:
            return free
        if not self.most:
            return free + [Planned([one]) for one in counted]
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        room = self.most - len(self._sent)
        if room <= 0:
            return free
        if len(counted) <= room:
            return free + [Planned([one]) for one in counted]
        singles, rest = ([], list(counted)) if len(counted) > self.most else _divided(counted, room - 1)
        rest, ends = self._ends(rest)
        digest = [Planned(rest, digest=True)] if rest else []
        return free + [Planned([one]) for one in singles] + digest + [Planned([one], free=True) for one in ends]

    def sent(self, message: Planned[Waiting], now: float) -> None:
        """It went out, or was refused."""
        keys = [one.page.notice.key for one in message.pages]
        if message.digest:
            self._digested.update(dict.fromkeys(keys))
            while len(self._digested) > _MOST_REMEMBERED:
                del self._digested[next(iter(self._digested))]
        else:
            for key in keys:
                self._digested.pop(key, None)
        if not message.free:
            self._sent.append(now)

    def _ends(self, rest: Sequence[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
        """What a digest says for good, and the ends of incidents that were opened before it."""
        if not self.keyed:
            return list(rest), []
        first: dict[str, str] = {}
        for one in rest:
            first.setdefault(one.page.notice.key, one.page.action)
        opened = {key for key, action in first.items() if action == "trigger"} | self._digested.keys()
        ends = [one for one in rest if one.page.action == "resolve" and one.page.notice.key not in opened]
        return [one for one in rest if one.page.action != "resolve" or one.page.notice.key in opened], ends

    def _sorted(self, waiting: Sequence[Waiting]) -> tuple[list[Planned[Waiting]], list[Waiting]]:
        """What goes at once, and what is counted."""
        free: list[Planned[Waiting]] = []
        counted: list[Waiting] = []
        ahead: set[str] = set()
        for one in waiting:
            key = one.page.notice.key
            if self.keyed and one.page.action == "resolve" and key not in ahead:
                free.append(Planned([one], free=True, dropped=key in self._digested))
            else:
                ahead.add(key)
                counted.append(one)
        return free, counted


def _divided(counted: Sequence[Waiting], room: int) -> tuple[list[Waiting], list[Waiting]]:
    """The first incidents with all their pages, as many as there is room for; and the others."""
    by_key: dict[str, list[Waiting]] = {}
    for one in counted:
        by_key.setdefault(one.page.notice.key, []).append(one)
    chosen: set[str] = set()
    for key, pages in by_key.items():
        if len(pages) > room:
            break
        room -= len(pages)
        chosen.add(key)
    singles = [one for one in counted if one.page.notice.key in chosen]
    return singles, [one for one in counted if one.page.notice.key not in chosen]
