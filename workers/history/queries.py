"""What is asked of the history: pages of incidents by filter, newest first, and the whole life of one.

The databases' own planners, asked for the newest few of a filter, tend to walk either through all that is newer than
the first match or through all matches. So it is decided here: whichever condition few rows fulfil is the way in; where
none is narrow, the index by time holds everything that is asked for, and the first matches are not far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, tuple_
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from workers.history.rows import RANKS, Row
from workers.history.schema import Micros, entities, incident_events, incidents

_NARROW = 2_000
"""A condition that fewer rows fulfil is a way in: to look at all of them takes some milliseconds."""

_MANY = 500
"""Of so many entities the newest incidents are not far, whoever they are of."""

_PAGE = 5_000
Columns = Any
"""Has the columns of `incidents` as attributes: those of the table, or what stands for them."""

_HIDDEN = SimpleNamespace(
    **{str(name): UnaryExpression(one, operator=custom_op("+"), type_=one.type) for name, one in incidents.c.items()}
)
"""The columns as SQLite uses no index for: a plus before them."""

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents; empty is all. Times are those of the opening, epoch microseconds, [since, until).

    `entity` is a name or a pattern (`*` any text, `?` any character); `severity` the least that the highest of the
    incident's life must be.
    """

    since: int | None = None
    until: int | None = None
    entity: str = ""
    profile: str = ""
    severity: str = ""
    state: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the next one begins behind it, whatever was written or forgotten meanwhile."""

    opened_at: int
    incident_id: str


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition, and whether its index gives what fulfils it newest first."""

    holds: ColumnElement[bool]
    ordered: bool = True
    wide: bool = False
    """Known to be no way in."""


def page(connection: Connection, wanted: Wanted, limit: int, after: Place | None = None) -> list[Row]:
    """The newest incidents that are wanted, by opening (and id, where several opened at once), at most `limit`."""
    found = _keys(connection, wanted, after).limit(limit).subquery()
    rows = select(incidents).join(found, incidents.c.incident_id == found.c.incident_id)
    return _rows(connection, _newest_first(rows))


def pages(connection: Connection, wanted: Wanted, size: int = _PAGE) -> Iterator[list[Row]]:
    """All that are wanted, page by page."""
    after: Place | None = None
    while rows := page(connection, wanted, size, after):
        yield rows
        after = place_of(rows[-1])


def place_of(row: Row) -> Place:
    return Place(row["opened_at"], row["incident_id"])


def events_of(connection: Connection, ids: list[str]) -> Iterator[Row]:
    """Every event of these incidents, in the order of `ids`, then of their lives."""
    order = {incident: number for number, incident in enumerate(ids)}
    chosen = select(incident_events).where(incident_events.c.incident_id.in_(ids))
    rows = _rows(connection, chosen)
    yield from sorted(rows, key=lambda row: (order[row["incident_id"]], row["sequence"]))


def opening_reasons(connection: Connection, ids: list[str]) -> dict[str, str]:
    """What was said when these incidents opened, of those whose first event is there."""
    of = incident_events.c
    chosen = select(of.incident_id, of.reason).where(of.incident_id.in_(ids), of.sequence == 0)
    return {row.incident_id: row.reason for row in connection.execute(chosen)}


def find(connection: Connection, incident: str, most: int = 10) -> list[Row]:
    """The incident of that id, or those whose ids begin so."""
    chosen = select(incidents).where(_id_begins(incidents.c.incident_id, incident))
    return _rows(connection, chosen.order_by(incidents.c.incident_id).limit(most))


def _rows(connection: Connection, chosen: Select[Any]) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in connection.execute(chosen).mappings()]


def _keys(connection: Connection, wanted: Wanted, after: Place | None) -> Select[Any]:
    """Select opening and id of what is wanted, newest first, by the way in that looks at the least."""
    names = _names(connection, wanted)
    times, conditions = _times(wanted, after), _conditions(wanted, names)
    way_in = _way_in(connection, times, conditions)
    keys = select(incidents.c.opened_at, incidents.c.incident_id)
    if connection.dialect.name == "sqlite":
        hidden = _conditions(wanted, names, _HIDDEN)
        used = (hers if one is not way_in else one for one, hers in zip(conditions, hidden, strict=True))
        return _newest_first(keys.where(*times, *(one.holds for one in used)))
    if way_in and not way_in.ordered:
        narrow = select(incidents).where(way_in.holds, *times).cte("narrow").prefix_with("MATERIALIZED")
        rest = (one.holds for one in _conditions(wanted, names, narrow.c))
        return _newest_first(select(narrow.c.opened_at, narrow.c.incident_id).where(*rest), narrow.c)
    return _newest_first(keys.where(*times, *(one.holds for one in conditions)))


def _way_in(
    connection: Connection, times: list[ColumnElement[bool]], conditions: list[_Condition]
) -> _Condition | None:
    """The condition that the fewest rows fulfil, where those are few; None: the newest first, whoever they are."""
    if len(conditions) == 1 and conditions[0].ordered:
        return conditions[0]
    asked = [one for one in conditions if not one.wide]
    counts = [_count(connection, [one.holds, *times]) for one in asked]
    least = min(counts, default=_NARROW)
    return asked[counts.index(least)] if least < _NARROW else None


def _count(connection: Connection, conditions: list[ColumnElement[bool]]) -> int:
    """How many fulfil them, counted no further than matters."""
    some = select(literal(1)).select_from(incidents).where(*conditions).limit(_NARROW).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _newest_first(chosen: Select[Any], of: Columns = incidents.c) -> Select[Any]:
    return chosen.order_by(of.opened_at.desc(), of.incident_id.desc())


def _times(wanted: Wanted, after: Place | None) -> list[ColumnElement[bool]]:
    opened, times = incidents.c.opened_at, []
    if wanted.since is not None:
        times.append(opened >= wanted.since)
    if wanted.until is not None:
        times.append(opened < wanted.until)
    if after is not None:
        place = tuple_(literal(after.opened_at, Micros), literal(after.incident_id))
        times.append(tuple_(opened, incidents.c.incident_id) < place)
    return times


def _names(connection: Connection, wanted: Wanted) -> list[str] | Select[Any]:
    """The entities that are wanted; as a question where they are many."""
    if not {"*", "?"} & set(wanted.entity):
        return [wanted.entity] if wanted.entity else []
    names = select(entities.c.entity).where(_like(connection, wanted.entity))
    if wanted.profile:
        names = names.where(entities.c.profile == wanted.profile)  # few are in more than one
    found = list(connection.scalars(names.limit(_MANY)))
    return names if len(found) == _MANY else found


def _conditions(wanted: Wanted, names: list[str] | Select[Any], of: Columns = incidents.c) -> list[_Condition]:
    found = []
    if isinstance(names, Select):
        # IS true keeps PostgreSQL from joining all of them with all of their incidents before it sorts.
        found.append(_Condition(of.entity.in_(names).is_(True), ordered=False, wide=True))
    elif len(names) == 1:
        found.append(_Condition(of.entity == names[0]))
    elif wanted.entity:
        found.append(_Condition(of.entity.in_(names), ordered=False))
    if wanted.fingerprint:
        exact = len(wanted.fingerprint) >= 32
        found.append(_Condition(_id_begins(of.fingerprint_id, wanted.fingerprint), exact))
    if wanted.state:
        found.append(_Condition(of.state == wanted.state))
    if wanted.profile:
        found.append(_Condition(of.profile == wanted.profile))
    if wanted.severity:
        ranks = range(RANKS[wanted.severity], len(RANKS))
        found.append(_Condition(of.highest_rank.in_(ranks), ordered=len(ranks) == 1))
    return found


def _like(connection: Connection, pattern: str) -> ColumnElement[bool]:
    """Whether an entity's name fits a pattern, upper and lower case told apart."""
    if connection.dialect.name == "sqlite":
        return entities.c.entity.op("GLOB")(pattern.replace("[", "[[]"))
    escaped = "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in pattern)
    return entities.c.entity.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")


def _id_begins(column: ColumnElement[str], start: str) -> ColumnElement[bool]:
    """Whether an id of hex digits is this one or begins so, as a stretch of its index."""
    if len(start) >= 32 or not set(start) <= _HEX:
        return column == start
    return (column >= start) & (column < start + "g")
