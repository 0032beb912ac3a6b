"""What a kind of target is: how pages are put into messages for it. Pure; carriers take the messages there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, Protocol, runtime_checkable

from schemas.ids import stable_id
from schemas.times import format_time
from workers.notify.notice import SEVERITIES, Notice, rank
from workers.notify.page import Page
from workers.settings_notify import ServiceSettings, TargetSettings
from workers.units import shown

_NAMED = 5
_UNKNOWN = ServiceSettings(entities="*")

Carrier = Literal["http", "files", "kafka"]


@dataclass(frozen=True, slots=True)
class Target:
    """A target as its settings have it. Not to be logged: it carries the secret."""

    name: str
    settings: TargetSettings
    secret: str = ""
    services: Sequence[ServiceSettings] = ()

    def service(self, notice: Notice) -> ServiceSettings:
        """What is known about the notice's entity; an entry that says nothing where nothing is known."""
        return next((one for one in self.services if fnmatchcase(notice.entity, one.entities)), _UNKNOWN)

    def labels(self, notice: Notice) -> dict[str, str]:
        """The static labels: of the service, then of the target where those do not say otherwise."""
        return {**self.settings.labels, **self.service(notice).labels}


@dataclass(frozen=True, slots=True)
class Message:
    """What is handed over in one go. `id` is the same whenever the same pages come again.

    `url` and `headers` are for HTTP, `key` is for Kafka; a file is named by `time` and `id`.
    """

    id: str
    body: bytes
    time: int
    key: str = ""
    url: str = ""
    headers: Mapping[str, str] | None = None


class Kind(Protocol):
    carrier: Carrier
    shows_severity: bool
    """Whether a fall of severity is told."""
    batch: int
    """How many pages one message may hold."""
    keyed: bool
    """Whether it keeps an incident open until it is told that it is over: that is told then, whatever the pace."""
    resends: bool
    """Whether it forgets what it is not told again."""

    def __init__(self, target: Target) -> None: ...

    def message(self, pages: Sequence[Page], now: int) -> Message:
        """Up to `batch` pages, in order. `now`: epoch microseconds."""
        ...


@runtime_checkable
class Paced(Kind, Protocol):
    """A kind that people read: pages gather, a few a minute go singly, the rest as a digest."""

    def digest(self, pages: Sequence[Page], now: int) -> Message:
        """Many pages in a few words."""
        ...


@dataclass(frozen=True, slots=True)
class Digest:
    """Many pages as one: how many of which severity, and the first few entities, the worst first."""

    id: str
    pages: int
    over: int
    severity: str
    by_severity: Mapping[str, int]
    entities: Sequence[str]
    more: int

    @classmethod
    def of(cls, pages: Sequence[Page]) -> Digest:
        ongoing = [page.notice for page in pages if page.action != "resolve"]
        by_rank = sorted(ongoing or [page.notice for page in pages], key=lambda notice: -rank(notice.severity))
        entities = list(dict.fromkeys(shown(notice.entity) for notice in by_rank))
        counts = Counter(notice.severity for notice in ongoing)
        return cls(
            id=stable_id("digest", *(page.notice.id for page in pages)),
            pages=len(pages),
            over=len(pages) - len(ongoing),
            severity=by_rank[0].severity,
            by_severity={name: counts[name] for name in reversed(SEVERITIES) if counts[name]},
            entities=entities[:_NAMED],
            more=max(0, len(entities) - _NAMED),
        )

    @property
    def text(self) -> str:
        """`17 more: 3 critical, 12 high, 2 over; checkout, search and 9 others`."""
        parts = [f"{count} {severity}" for severity, count in self.by_severity.items()]
        parts += [f"{self.over} over"] if self.over else []
        others = f" and {self.more} others" if self.more else ""
        return f"{self.pages} more: {', '.join(parts)}; {', '.join(self.entities)}{others}"


def page_id(page: Page) -> str:
    """The same for the same page, whenever it is sent."""
    return stable_id(page.notice.id, page.action)


def headline(page: Page) -> str:
    """One line: what happened, how bad, to whom."""
    name = shown(page.notice.entity)
    more = len(page.notice.entities) - 1
    who = name + (f" and {more} more" if more > 0 else "")
    if page.action == "resolve":
        return f"Resolved: {who}"
    if page.action == "update":
        return f"{page.notice.severity.upper()} (was {page.before}): {who}"
    return f"{page.notice.severity.upper()}: {who}"


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def when(micros: int) -> str:
    return format_time(micros)
