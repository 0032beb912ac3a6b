"""The rules of an incident's life as numbers: frozen, taken from the settings once, times in microseconds."""

from __future__ import annotations

from dataclasses import dataclass

from workers.settings import IncidentsSettings

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Policy:
    """When incidents open, change, end and are forgotten. Windows are counted per entity and profile.

    All durations are event time in microseconds.
    """

    open_windows: int = 3
    """m: so many anomalous windows …"""
    open_of: int = 5
    """n: … among the last so many open an incident. One critical window does at once."""
    resolve_windows: int = 3
    """k: so many clean windows in a row resolve it."""
    clear_below: float = 0.8
    """A window is clean below this score; between it and 1.0 it is neither clean nor anomalous."""
    lower_windows: int = 6
    """So many windows in a row below the incident's severity lower it to the highest among them."""
    close_after: int = 15 * MINUTE
    """Grace: a resolved incident can reopen, then it closes."""
    continue_every: int = 5 * MINUTE
    """An open incident reports at most this often, changes of severity and cause apart."""
    flap_reopens: int = 3
    """From so many reopenings on an incident is flapping …"""
    flap_resolve_windows: int = 12
    """… and takes so many clean windows in a row to resolve."""
    abandon_after: int = 48 * HOUR
    """Without any score of the entity for this long, its incident resolves and its windows are forgotten."""
    max_age: int = 7 * DAY
    """An incident open this long ends: what has lasted so long is the new normal."""
    occurrence_days: int = 90
    """How many days openings of a fingerprint are counted."""
    log_every: int = 10 * MINUTE
    """An entity's state is logged this long after a change, unless its incident's life moved on before."""
    progress_every: int = 10 * SECOND
    """One progress record for so much of the watermark."""
    most_rules: int = 500
    """Rules of feedback in force at a time."""
    event_profiles: frozenset[str] = frozenset({"event"})
    """Profiles in which several scores may share a window end."""

    @classmethod
    def of(cls, settings: IncidentsSettings) -> Policy:
        return cls(
            open_windows=settings.open_windows,
            open_of=settings.open_of,
            resolve_windows=settings.resolve_windows,
            clear_below=settings.clear_below,
            lower_windows=settings.lower_windows,
            close_after=settings.close_after_ms * 1000,
            continue_every=settings.continue_every_ms * 1000,
            flap_reopens=settings.flap_reopens,
            flap_resolve_windows=settings.flap_resolve_windows,
            abandon_after=settings.abandon_after_ms * 1000,
            max_age=settings.max_age_ms * 1000,
            most_rules=settings.feedback_rules,
        )

    @property
    def replay_most(self) -> int:
        """A rebuild replays records of less than this: changes are logged by then, and places to start from lie no
        further apart than progress is told.
        """
        return self.log_every + self.progress_every

    @property
    def forget_after(self) -> int:
        """How long after its last remembered window an entity without incidents is forgotten.

        Longer than `abandon_after`, from which on its scores count as late by the watermark alone, by more than a
        rebuild can lie back: so forgetting never changes what a rebuilt state does.
        """
        return self.abandon_after + 2 * self.log_every
