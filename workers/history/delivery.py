"""The end of the history outside Kafka: events into the database in batches, held while it is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workers.history import database
from workers.history.migrating import NEWEST, upgrade
from workers.history.retention import DAY, forget
from workers.history.rows import Event
from workers.history.stage import ADDRESS, event_of
from workers.history.writing import write
from workers.runtime.bounded import Bounded, Overrun
from workers.runtime.clock import Clock
from workers.runtime.records import Output
from workers.settings import HistorySettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """Bounds of one delivery, in seconds where not said otherwise.

    `attempts` are made at once, `pause_least` apart and more; then the database counts as away, and is tried again
    after a pause that doubles up to `pause_most`.
    """

    url: str
    batch_events: int = 1_000
    retention_days: float = 365.0
    flap_reopens: int = 3
    attempts: int = 3
    pause_least: float = 0.1
    pause_most: float = 5.0
    delivery_most: float = 3.0
    call_most: float = 10.0
    forget_every: float = 10.0
    forget_most: int = 500

    @classmethod
    def of(cls, settings: HistorySettings, flap_reopens: int) -> DeliveryPolicy:
        return cls(settings.url, settings.batch_events, settings.retention_days, flap_reopens)


class _Away(Exception):
    """The database refused for a reason that may be gone a moment later."""


class _Silent(Exception):
    """The database gave no answer at all; to wait for another now would take too long."""


class HistoryDatabase:
    """`Outside` of the worker `history`. Tries to reach the database when made: what is plainly wrong ends the worker
    before it takes anything, and a database that is only away does not.
    """

    address = ADDRESS

    def __init__(self, policy: DeliveryPolicy, clock: Clock) -> None:
        self._policy, self._clock = policy, clock
        self._where = database.place(policy.url)
        self._engine = database.open_engine(policy.url)
        self._calls = Bounded("history-database")
        self._ready = False
        self._away_since: float | None = None
        self._pause, self._not_before = policy.pause_least, 0.0
        self._latest: int | None = None
        self._forgotten_at = clock.monotonic()
        self._reach()

    def deliver(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """Write batch by batch for some seconds; the rest is returned. Raises Fatal."""
        if self._clock.monotonic() < self._not_before or not self._reach():
            return outputs
        started, done = self._clock.monotonic(), 0
        while done < len(outputs):
            batch = [event_of(output) for output in outputs[done : done + self._policy.batch_events]]
            if not self._try(lambda batch=batch: self._write(batch)):  # type: ignore[misc]
                return outputs[done:]
            done += len(batch)
            if self._clock.monotonic() - started > self._policy.delivery_most:
                break
        self._forget()
        return outputs[done:]

    def close(self) -> None:
        self._calls.close()
        self._engine.dispose()

    # -- what is tried ------------------------------------------------------------------------------------------------

    def _reach(self) -> bool:
        """Whether the tables are there and up to date; the first time that the database answers, they are made so."""
        if not self._ready:
            self._ready = self._try(self._migrate)
        return self._ready

    def _migrate(self) -> None:
        before = upgrade(self._engine, self._where)
        if before != NEWEST:
            log.info("history tables made" if before is None else "history tables brought up to date", to=NEWEST)

    def _write(self, events: Sequence[Event]) -> None:
        self._in_transaction(lambda connection: write(connection, events, self._policy.flap_reopens))
        self._latest = max([*(event["time"] for event in events), *([] if self._latest is None else [self._latest])])

    def _forget(self) -> None:
        """One bounded step of retention, soon again while there is more. Event time ahead of the clock's counts as now:
        one wrong time must not empty the history."""
        policy, now = self._policy, self._clock.monotonic()
        if not policy.retention_days or self._latest is None or now - self._forgotten_at < policy.forget_every:
            return
        before = min(self._latest, int(self._clock.time() * 1e6)) - int(policy.retention_days * DAY)
        gone = 0

        def step(connection: Connection) -> None:
            nonlocal gone
            gone = forget(connection, before, policy.forget_most)

        if self._try(lambda: self._in_transaction(step)) and gone < policy.forget_most:
            self._forgotten_at = now
        if gone:
            log.info("closed incidents forgotten", count=gone, days=policy.retention_days)

    def _in_transaction(self, work: Callable[[Connection], None]) -> None:
        with self._engine.begin() as connection:
            work(connection)

    # -- how it is tried ----------------------------------------------------------------------------------------------

    def _try(self, work: Callable[[], None]) -> bool:
        """Whether it was done, now or in one of a few attempts. Doing it twice does no harm. Raises Fatal."""
        policy = self._policy
        attempts = Retrying(
            stop=stop_after_attempt(policy.attempts if self._away_since is None else 1),
            wait=wait_random_exponential(policy.pause_least, max=1.0),
            retry=retry_if_exception_type(_Away),
            sleep=self._clock.sleep,
        )
        try:
            attempts(self._once, work)
        except (RetryError, _Silent) as failed:
            reason = failed.last_attempt.exception() if isinstance(failed, RetryError) else failed
            self._went_away(str(reason))
            return False
        self._came_back()
        return True

    def _once(self, work: Callable[[], None]) -> None:
        try:
            self._calls.run(work, self._policy.call_most)
        except Overrun as error:
            # The call is left behind with its connection; whether it still writes or not is the same to us.
            self._engine.dispose(close=False)
            self._engine = database.open_engine(self._policy.url)
            raise _Silent(str(error)) from error
        except DBAPIError as error:
            reason = database.fatal(error, self._policy.url)
            if reason is not None:
                raise reason from error
            raise _Away(" ".join(str(error.orig).split())) from error

    def _went_away(self, reason: str) -> None:
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since, self._pause = now, self._policy.pause_least
            log.warning("the history's database takes nothing: events are held", at=self._where, reason=reason)
        self._not_before = now + self._pause
        self._pause = min(2 * self._pause, self._policy.pause_most)

    def _came_back(self) -> None:
        if self._away_since is not None:
            seconds = round(self._clock.monotonic() - self._away_since, 1)
            log.info("the history's database is back", at=self._where, after_seconds=seconds)
        self._away_since, self._not_before = None, 0.0
