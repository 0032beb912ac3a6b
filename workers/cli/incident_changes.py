"""What other rules or another model would make of the same time: incident by incident, then beside now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from schemas.times import format_time
from workers.cli.incident_replay import Life
from workers.units import duration

OPENS, GONE, MOVES, MERGES, SPLITS, SAME = "opens", "disappears", "moves", "merges", "splits", "same"
KINDS = (OPENS, GONE, MOVES, MERGES, SPLITS, SAME)


@dataclass(frozen=True, slots=True)
class Change:
    """One incident on one side or both. A pair is about the same trouble: their anomalous times overlap.

    `merges`: it was an incident of its own, and now is part of the one beside it; `splits`: the other way round.
    """

    kind: str
    then: Life | None
    now: Life | None

    @property
    def life(self) -> Life:
        life = self.now or self.then
        assert life is not None
        return life

    @property
    def pages(self) -> int:
        """Pages added, negative: saved. Of what merges or splits, those of the incident that is on one side alone."""
        added = self.now.pages if self.now and self.kind != MERGES else 0
        return added - (self.then.pages if self.then and self.kind != SPLITS else 0)

    def how(self) -> str:
        """In words what is different."""
        if self.then is None or self.now is None:
            return ""
        if self.kind == MERGES:
            return f"part of the one that opened {_clock(self.now.opened_at)}"
        if self.kind == SPLITS:
            return f"was part of the one that opened {_clock(self.then.opened_at)}"
        return ", ".join(_differences(self.then, self.now))

    def document(self) -> dict[str, Any]:
        return {
            "change": self.kind,
            "entity": self.life.entity,
            "profile": self.life.profile,
            "pages_added": self.pages,
            "how": self.how(),
            "then": _document(self.then),
            "now": _document(self.now),
        }


def changes(then: Sequence[Life], now: Sequence[Life]) -> list[Change]:
    """Every incident of both sides once, by entity, profile and time."""
    found = []
    sides = sorted(
        [(0, life) for life in then] + [(1, life) for life in now],
        key=lambda one: (one[1].entity, one[1].profile, one[1].began_at, one[0]),
    )
    for _, group in groupby(sides, key=lambda one: (one[1].entity, one[1].profile)):
        mine = list(group)
        found += _of_entity([one for side, one in mine if side == 0], [one for side, one in mine if side == 1])
    return found


def _of_entity(then: list[Life], now: list[Life]) -> list[Change]:
    """Pairs by overlap, the earliest first; who finds his partner taken is merged into it, or split from it."""
    pairs: dict[int, int] = {}
    taken: dict[int, int] = {}
    for i, old in enumerate(then):
        free = next((j for j, new in enumerate(now) if j not in taken and old.overlaps(new)), None)
        if free is not None:
            pairs[i], taken[free] = free, i
    found = []
    for i, old in enumerate(then):
        if i in pairs:
            new = now[pairs[i]]
            found.append(Change(MOVES if any(_differences(old, new)) else SAME, old, new))
        else:
            into = next((new for new in now if old.overlaps(new)), None)
            found.append(Change(MERGES if into else GONE, old, into))
    for j, new in enumerate(now):
        if j not in taken:
            out_of = next((old for old in then if old.overlaps(new)), None)
            found.append(Change(SPLITS if out_of else OPENS, out_of, new))
    return sorted(found, key=lambda change: change.life.opened_at)


def _differences(then: Life, now: Life) -> Iterator[str]:
    if then.opened_at != now.opened_at:
        yield f"opens {_shift(now.opened_at - then.opened_at)}"
    if then.resolved_at is None or now.resolved_at is None:
        if then.resolved_at != now.resolved_at:
            yield "resolves" if now.resolved_at else "does not resolve"
    elif then.resolved_at != now.resolved_at:
        yield f"resolves {_shift(now.resolved_at - then.resolved_at)}"
    if then.severity != now.severity:
        yield f"{then.severity} becomes {now.severity}"
    if then.pages != now.pages:
        yield f"{now.pages} instead of {then.pages} pages"


def _shift(micros: int) -> str:
    return f"{duration(abs(micros))} {'later' if micros > 0 else 'earlier'}"


def _clock(micros: int) -> str:
    return format_time(micros)[:19] + "Z"


def _document(life: Life | None) -> dict[str, Any] | None:
    if life is None:
        return None
    times = {
        name: None if (time := getattr(life, name)) is None else format_time(time)
        for name in ("began_at", "opened_at", "last_anomalous_at", "resolved_at")
    }
    return {**asdict(life), **times}


def summary(found: Sequence[Change]) -> dict[str, int]:
    """How many of each kind, the incidents of both sides, and pages then, now, saved and added."""
    counts = {kind: sum(one.kind == kind for one in found) for kind in KINDS}
    then = {one.then.incident_id: one.then for one in found if one.then}
    now = {one.now.incident_id: one.now for one in found if one.now}
    pages_then, pages_now = (sum(life.pages for life in side.values()) for side in (then, now))
    return {
        "incidents_then": len(then),
        "incidents_now": len(now),
        **counts,
        "pages_then": pages_then,
        "pages_now": pages_now,
        "pages_saved": max(0, pages_then - pages_now),
        "pages_added": max(0, pages_now - pages_then),
    }
