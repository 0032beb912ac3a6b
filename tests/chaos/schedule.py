"""A seeded schedule of what happens to the workers of one namespace, and whether the logs show that it happened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from tests.chaos.field import Field, LeftBehind
from tests.chaos.fleet import SESSION_SECONDS, Fleet, Worker

STEPS = (
    "polled",
    "stepped",
    "checkpointed",
    "begun",
    "produced",
    "offsets_sent",
    "committed",
    "published",
    "deleted",
)
"""The named steps of the cycle; see `workers.runtime`."""

UP_WITHIN = 120.0

NOTICES_WITHIN = 10.0
"""A zombie hears of it with its next heartbeat; not while the broker is down."""


class Place(Protocol):
    """Where a schedule is played: the workers of one group, and their input."""

    @property
    def fleet(self) -> Fleet: ...

    @property
    def rng(self) -> random.Random: ...

    def feed(self, count: int) -> None: ...


@dataclass(slots=True)
class Schedule:
    """Plays `acts` drawn from the seed, feeding all the while.

    `outlived` counts the owners that were frozen for longer than their session lasts, and given the time to notice.
    """

    place: Place
    acts: int
    done: list[str] = field(default_factory=list)
    outlived: int = 0

    def run(self) -> None:
        fleet, rng = self.place.fleet, self.place.rng
        self.place.feed(60)
        for _ in range(rng.randint(1, 2)):
            fleet.start()
            self.loaded(fleet)
            self.place.feed(20)
        kinds: list[Callable[[], None]] = [
            self.kill,
            self.freeze,
            self.strike,
            self.stop,
            self.add,
            self.kill,
            self.freeze,
        ]
        for _ in range(self.acts):
            self.live(rng.uniform(0.2, 1.5))
            kind = rng.choice(kinds)
            self.done.append(kind.__name__)
            kind()
        self.live(1.0)

    # -- acts: each leaves at least one worker running ----------------------------------------------------------------

    def kill(self) -> None:
        """kill -9; the successor is there before or comes a little later."""
        fleet, rng = self.place.fleet, self.place.rng
        before = rng.random() < 0.5
        if before:
            fleet.start()
            self.live(rng.uniform(0.5, 2.5))
        victim = rng.choice(fleet.awake or [fleet.start()])
        fleet.kill(victim)
        assert victim.process.returncode == -9
        if not fleet.awake:
            self.live(rng.uniform(0.0, 1.5))
            fleet.start()

    def freeze(self) -> None:
        """SIGSTOP beyond the session, SIGCONT once another has taken its partitions over: a zombie."""
        fleet, rng = self.place.fleet, self.place.rng
        if len(fleet.awake) < 2:
            fleet.start()
        owners = [worker for worker in fleet.awake if worker.said("loaded")]
        if not owners:
            return
        zombie = rng.choice(owners)
        seconds = rng.choice((0.5, 1.0, 2.0)) * SESSION_SECONDS + 0.5
        noticed = zombie.noticed
        fleet.freeze(zombie)
        self.live(seconds)
        fleet.thaw(zombie)
        if seconds > SESSION_SECONDS:
            self.outlived += 1
            self.until(lambda: zombie.noticed > noticed or not zombie.running, NOTICES_WITHIN)

    def strike(self) -> None:
        """A worker that kills or stops itself at a named step of the cycle."""
        fleet, rng = self.place.fleet, self.place.rng
        step, count = rng.choice(STEPS), rng.randint(1, 6)
        signal = rng.choice(("SIGKILL", "SIGSTOP"))
        worker = fleet.start(FAULTLINE_WORKER__FAIL_AT=f"{step}:{count}:{signal}")
        self.until(lambda: worker.standing or not worker.running, 8.0)
        self.revive_standing()
        if not fleet.awake:
            fleet.start()

    def stop(self) -> None:
        """SIGTERM: it drains, commits and leaves."""
        fleet = self.place.fleet
        fleet.start()
        self.live(1.0)
        if len(fleet.awake) > 1:
            told = self.place.rng.choice(fleet.awake)
            code = fleet.stop(told)
            # Before it was up it has nothing to end in order; one that cannot reach the broker says so and gives up;
            # and the last commit may be the step at which an earlier act told this one to kill itself.
            in_order = code == 0 or not told.said("started") or told.said("stopped") or told.killed_itself
            assert in_order, f"a worker ended with {code}:\n{fleet.tail(told)}"

    def add(self) -> None:
        if len(self.place.fleet.running) < 4:
            self.place.fleet.start()

    def revive_standing(self) -> None:
        """Whoever stopped itself goes on after its session has ended."""
        fleet = self.place.fleet
        standing = [worker for worker in fleet.running if worker.standing]
        if standing:
            if not fleet.awake or fleet.awake == standing:
                fleet.start()
            self.live(SESSION_SECONDS + 1.5)
            for worker in standing:
                fleet.thaw(worker)

    def loaded(self, fleet: Fleet) -> None:
        """Until someone has partitions. Services may be down already: whoever gives up is replaced."""
        deadline = time.monotonic() + UP_WITHIN
        while not any(worker.said("loaded") for worker in fleet.workers):
            assert time.monotonic() < deadline, f"nobody has loaded anything:\n{fleet.tail(fleet.workers[-1])}"
            fleet.revive()
            time.sleep(0.2)

    # -- meanwhile ----------------------------------------------------------------------------------------------------

    def live(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def until(self, happened: Callable[[], bool], seconds: float) -> None:
        """Feed on until it happened, or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not happened():
            self.place.feed(self.place.rng.randint(1, 12))
            time.sleep(0.15)


def finish(place: Field) -> None:
    """The faults are over: all comes out, as if there had been none, and nothing is left lying about."""
    fleet = place.fleet
    fleet.revive()
    place.settle()
    fleet.stop_all()
    place.judge()
    for attempt in Retrying(stop=stop_after_attempt(3), retry=retry_if_exception_type(LeftBehind), reraise=True):
        with attempt:  # what a hurried Redis did not delete in time is a stray, and the next owner's to delete
            last: Worker = fleet.start()
            fleet.await_event(last, "loaded")
            place.feed(2)
            place.settle()
            fleet.stop_all()
            place.judge()
            place.judge_redis()
