"""What an event means for a target: a page or none. Pure.

| the target has been told | event | page |
|---|---|---|
| of no trouble | any of ongoing trouble that it wants | trigger |
| of trouble | a higher severity | update |
| of trouble | a lower severity, where the target shows it | update |
| of trouble | RESOLVE, or CLOSED without one | resolve, whatever is silenced or stale: the trouble ends there too |

What is stale, silenced or not wanted leaves the target told of what it was told before; so the first later event that
may page does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.notify.notice import Notice, rank
from workers.notify.page import Page
from workers.notify.policy import Policy


@dataclass(slots=True)
class Life:
    """What is remembered of an incident that is not closed.

    `offset`, `watermark`: of its first event, and the time in force before that; `told`: the severity that the target
    knows of (None: it knows of no trouble), from `since` on; `notice`: the latest event, once anything was told.
    """

    offset: int
    watermark: int
    opened_at: int
    sequence: int = -1
    told: str | None = None
    since: int = 0
    notice: Notice | None = None


def decide(policy: Policy, life: Life, notice: Notice) -> Page | None:
    """The page that this event asks for, were nothing silenced or stale. Changes nothing."""
    if notice.over:
        if life.told is None:
            return None
        return Page("resolve", replace(notice, severity=life.told), life.since)
    if not policy.wants(notice):
        return None
    if life.told is None:
        return Page("trigger", notice, notice.time if notice.type == "REOPEN" else notice.opened_at)
    change = rank(notice.severity) - rank(life.told)
    if change > 0 or (change < 0 and policy.shows_severity):
        return Page("update", notice, notice.time, life.told, life.since)
    return None


def told(policy: Policy, life: Life, notice: Notice, page: Page | None) -> None:
    """The event was taken in, and that page, if any, goes out."""
    if page is not None:
        life.told = None if page.action == "resolve" else notice.severity
        life.since = page.since
    elif life.told is not None and not policy.shows_severity and rank(notice.severity) < rank(life.told):
        life.told = notice.severity  # not told, but from here on any rise is one
    if life.told is not None or page is not None:
        life.notice = notice


def standing(life: Life) -> Page | None:
    """What the target should be showing now: for those that forget what they are not told again."""
    if life.notice is None:
        return None
    if life.told is not None:
        return Page("trigger", replace(life.notice, severity=life.told), life.since)
    return Page("resolve", life.notice, life.since) if life.notice.over else None
