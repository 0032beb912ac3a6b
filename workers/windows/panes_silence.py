"""Silence in panes: cadences, time that nobody watched, and gaps that chance makes, of one seat of the engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.windows import coarse
from workers.windows.compiled import kernel
from workers.windows.panes_store import Memory, Plan
from workers.windows.silence import (
    EVEN,
    LOOSE,
    cadence_of,
    gaps_are_alike,
    gaps_are_even,
    is_silent,
    may_be_chance,
    unwatched_excess,
)

_HOUR, _HALF_HOUR = 6, 3  # in coarse panes
_LOOKED_AT = 60  # panes at least, to tell how seldom events come
_TOLD = 18  # coarse panes, three hours, whose dispersion is hardly ever small by chance


@kernel
def coarse_pane(plan: Plan, pane: int) -> int:
    """The coarse pane that a pane starts in."""
    return pane * plan.pane // coarse.COARSE


@kernel
def _cadence(plan: Plan, memory: Memory, seat: int) -> int:
    of = memory.seats[seat]
    return cadence_of(of.active_panes, of.active_count, plan.pane, plan.cadence)


@kernel
def is_quiet(plan: Plan, memory: Memory, seat: int, end: int) -> bool:
    """Whether the entity is silent in the pane that ends at `end`, in which it has no event."""
    of = memory.seats[seat]
    heard = of.sign_time // plan.pane  # whole panes, so that it does not matter when in a pane
    if (heard + 1) * plan.pane > end and of.active_count > 0 and of.late == 0 and of.skewed == 0:
        # It has come back behind this pane, which is read already: in this pane it was still away.
        heard = of.active_panes[of.active_count - 1]
    quiet, cadence = end - (heard + 1) * plan.pane - of.unwatched, _cadence(plan, memory, seat)
    if not is_silent(quiet, cadence):
        return False
    return plan.cadence > 0 or _keeps_time(plan, memory, seat, cadence) or not _by_chance(plan, memory, seat, quiet)


@kernel
def _keeps_time(plan: Plan, memory: Memory, seat: int, cadence: int) -> bool:
    """Whether panes with events come at even distances, of which three in a row are hardly ever missed by chance."""
    of, panes = memory.seats[seat], cadence // plan.pane
    if not gaps_are_alike(of.active_panes, of.active_count, panes):
        return False
    if panes >= LOOSE:
        return True
    last = coarse_pane(plan, of.active_panes[of.active_count - 1])
    dispersion, n = coarse.dispersion(of.coarse_ring, of.coarse_newest, last, plan.pane)
    if n >= 2 and dispersion > EVEN:
        return False
    return n >= _TOLD or gaps_are_even(of.active_panes, of.active_count)


@kernel
def _by_chance(plan: Plan, memory: Memory, seat: int, quiet: int) -> bool:
    """Whether events come so seldom, and at random, that none may come for `quiet` microseconds.

    As in the hour before the last event, longer where panes are long; of an entity that has just begun, as in its last
    panes. Or as in the half hour that followed a day before, if it then sent throughout: at the end of working hours
    there are fewer events from one pane to the next.
    """
    of, missed = memory.seats[seat], quiet // plan.pane
    last = of.active_panes[of.active_count - 1]
    here, ring, newest = coarse_pane(plan, last), of.coarse_ring, of.coarse_newest
    back = min(coarse.SLOTS - 1, max(_HOUR, _LOOKED_AT * plan.pane // coarse.COARSE))
    active, seen, _ = coarse.occupied(ring, newest, here - back - 1, here, plan.pane)
    if seen > 0:
        active += int(ring[here % coarse.SLOTS, coarse.PANES] if newest >= here else of.coarse_cells[1])
        seen += last + 1 - coarse.first_pane(here, plan.pane)
    else:
        active, seen = of.active_count, last + 1 - of.active_panes[0]
    if may_be_chance(active, seen, missed):
        return True
    yesterday = here - coarse.SLOTS + 1  # the oldest that is still held when this one has closed
    active, seen, n = coarse.occupied(ring, newest, yesterday, yesterday + 1 + _HALF_HOUR, plan.pane)
    return bool(n == _HALF_HOUR and may_be_chance(active, seen, missed))


@kernel
def excuse(plan: Plan, memory: Memory, order: NDArray[np.int32], first: int, last: int) -> None:
    """Nobody watched between two event times."""
    for seat in order:
        of = memory.seats[seat]
        if of.active:
            stretch = max(0, last - max(first, of.sign_time))
            of.unwatched += unwatched_excess(stretch, _cadence(plan, memory, seat))
