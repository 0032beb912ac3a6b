"""A circuit breaker around a target: after some failures in a row it is left alone for a while.

The states are pybreaker's: maintained since 2011, synchronous, without dependencies, typed, and with listeners that
logs and metrics hang on.
"""

from __future__ import annotations

from collections.abc import Callable

import pybreaker
import structlog

from workers.notify.errors import Open, Refused, Slow
from workers.notify.metrics import DeliveryMetrics
from workers.runtime.clock import Clock

log = structlog.get_logger(__name__)


class Breaker:
    def __init__(self, target: str, failures: int, pause: float, metrics: DeliveryMetrics, clock: Clock) -> None:
        """Open after `failures` in a row; after `pause` seconds one call tries, and closes it or opens it again."""
        self._pause, self._clock = pause, clock
        self._told = _Told(target, metrics, clock)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=failures,
            reset_timeout=pause,
            exclude=[Refused, Slow],  # whoever answers so is there
            listeners=[self._told],
            name=target,
            throw_new_error_on_trip=False,
        )

    def call(self, call: Callable[[], None]) -> None:
        """Raises what the call raises, and Open where it is not made."""
        try:
            self._breaker.call(call)
        except pybreaker.CircuitBreakerError:
            raise Open("left alone after failures") from None

    @property
    def resting(self) -> bool:
        """Open, and not yet for as long as it is to be: no use in putting a message together."""
        open_now = self._breaker.current_state == pybreaker.STATE_OPEN
        return open_now and self._clock.monotonic() < self._told.opened_at + self._pause


class _Told(pybreaker.CircuitBreakerListener):
    def __init__(self, target: str, metrics: DeliveryMetrics, clock: Clock) -> None:
        self._target, self._metrics, self._clock = target, metrics, clock
        self.opened_at = 0.0
        self._reason = ""

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        self._reason = str(exc)

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        self._metrics.breaker(new_state.name == pybreaker.STATE_OPEN)
        if new_state.name == pybreaker.STATE_OPEN:
            self.opened_at = self._clock.monotonic()
            log.warning("breaker opened", target=self._target, reason=self._reason, pause=cb.reset_timeout)
        elif new_state.name == pybreaker.STATE_CLOSED:
            log.info("breaker closed", target=self._target)
