"""One worker process around the real loop: it crashes, freezes, fails and ends as `workers.runtime.run` has it end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.model.chance import Crash
from tests.model.controls import ModelControls
from tests.model.redis import ModelStore
from tests.model.sink import ModelSink
from tests.model.source import ModelSource
from workers.runtime.errors import Fatal
from workers.runtime.loop import Loop, LoopPolicy
from workers.runtime.records import View

if TYPE_CHECKING:
    from tests.model.world import World


class Process:
    """`busy` while its code is on the stack, `frozen` while it stands still there."""

    def __init__(self, world: World, number: int, slot: int, rng: random.Random) -> None:
        self._world, self.chance, self.slot = world, world.chance, slot
        self.alive, self.busy, self.frozen = True, False, False
        self.name = f"w{number}"
        self._source = ModelSource(world.broker, world.group, self.name, self)
        self._sink = ModelSink(world.broker, world.group, f"slot-{slot}", self)
        self.loop: Loop[Any] = Loop(
            world.build(),
            self._source,
            self._sink,
            ModelStore(world.redis, self),
            _policy(rng, len(world.broker.topics["dead"].logs), world.policy),
            _Clock(self),
            world.metrics,
            reached=lambda step: self.touch(f"step {step}"),
            controls=ModelControls(world.controls, self, rng) if world.controlled else None,
        )

    # -- what its ports and clock ask for -----------------------------------------------------------------------------

    def touch(self, where: str) -> None:
        world, chance = self._world, self.chance
        world.now += 0.002
        strike = chance.strike(where, crash=0.5, freeze=0.4, overtaken=0.3)
        if strike == "crash":
            raise Crash(where)
        if strike == "freeze":
            world.freeze(self)
        elif strike == "overtaken":
            world.others(self, chance.random.randint(1, 6))

    def wait(self, seconds: float) -> None:
        self._world.wait(seconds)

    def needed(self, scope: str) -> set[str]:
        return self._world.needed(scope)

    def published(self, view: View) -> None:
        self._world.published(view)

    @property
    def now(self) -> float:
        return self._world.now

    @property
    def member_known(self) -> bool:
        return self._source.member in self._world.group.members

    def heartbeat(self) -> None:
        """The client's background thread; it keeps the session, and does no more."""
        member = self._world.group.members.get(self._source.member)
        if member is not None:
            member.seen = self._world.now

    # -- its life -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._guarded(self.loop.start)

    def cycle(self) -> None:
        self._guarded(self.loop.cycle)
        if any(partition.mute_position for partition in self.loop.partitions.values()):
            self.chance.seen["resumed inside a record"] += 1

    def stop(self) -> None:
        """SIGTERM."""
        if not self.busy:
            self._guarded(self._end_in_order)
            self.alive = False

    def die(self) -> None:
        """kill -9: whatever it has open at the broker stays so until it times out."""
        if not self.busy:
            self.alive = False

    def _end_in_order(self) -> None:
        self.loop.drain()
        self._close()

    def _close(self) -> None:
        self._source.close()
        self._sink.close()

    def _guarded(self, call: Any) -> None:
        self.busy = True
        try:
            call()
        except Crash:
            self.alive = False
        except Fatal as failure:
            self.alive = False
            self._world.failed(str(failure))
            self._close_after_failure()
        finally:
            self.busy = False

    def _close_after_failure(self) -> None:
        try:
            self._close()
        except Crash:
            return


class _Clock:
    def __init__(self, process: Process) -> None:
        self._process = process

    def monotonic(self) -> float:
        return self._process.now

    def time(self) -> float:
        return self._process.now

    def sleep(self, seconds: float) -> None:
        self._process.touch("sleep")
        self._process.wait(seconds)


def _policy(rng: random.Random, deadletter_partitions: int, given: Mapping[str, Any]) -> LoopPolicy:
    """Every process cuts differently: in batches, transactions and checkpoints."""
    drawn = LoopPolicy(
        topics=("in",),
        deadletter_topic="dead",
        deadletter_partitions=deadletter_partitions,
        poll_records=rng.choice((1, 5, 20, 60)),
        poll_timeout=0.05,
        commit_interval=rng.choice((0.0, 0.2, 1.0)),
        checkpoint_interval=rng.choice((0.0, 0.5, 3.0)),
        checkpoint_records=rng.choice((5, 1000)),
        max_outputs=rng.choice((2, 6, 25, 1000)),
        max_bytes=rng.choice((400, 1 << 20)),
        commit_deadline=30.0,
    )
    return replace(drawn, **given)
