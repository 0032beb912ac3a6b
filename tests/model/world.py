"""One schedule: a broker, a Redis and workers, interleaved and disturbed as a seed says, and judged at the end."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.model.broker import Broker, Txn
from tests.model.chance import Chance, Violation
from tests.model.group import Group
from tests.model.inputs import values
from tests.model.judge import Oracle, chain_keys, check_commit, scope_of
from tests.model.process import Process
from tests.model.redis import Redis
from tests.model.tuned import TunedOracle
from workers.runtime.metrics import Metrics
from workers.runtime.records import View
from workers.runtime.slices import Committed, TopicPartition
from workers.runtime.stage import Control, Controlled, Stage

IN, OUT, LOG, DEAD = "in", "out", "log", "dead"

_MAY_STOP = (
    "the producer cannot reopen",
    "no transaction could be committed",
    "no checkpoint could be written",
    "could not be loaded",
)
"""Why a worker may give up and be restarted; any other reason is a broken promise, unless a test expects it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a schedule and how rough it is."""

    seed: int
    records: int = 40
    partitions: int = 2
    steps: int = 40
    rate: float = 0.02
    most: int = 12
    session: float = 6.0
    transaction_timeout: float = 10.0
    without: frozenset[int] = frozenset()


@dataclass(slots=True)
class World:
    plan: Plan
    build: Callable[[], Stage[Any]]
    metrics: Metrics
    now: float = 1.0
    depth: int = 0
    started: int = 0
    processes: list[Process] = field(default_factory=list)
    chance: Chance = field(init=False)
    broker: Broker = field(init=False)
    group: Group = field(init=False)
    redis: Redis = field(default_factory=Redis)
    oracle: Oracle = field(init=False)
    feeds: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=dict)
    fatal: list[str] = field(default_factory=list)
    expects_fatal: bool = False
    judges_views: bool = True
    script: random.Random = field(init=False)
    controls: list[Control] = field(default_factory=list)
    controlled: bool = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self.chance = Chance(plan.seed, plan.rate, plan.most, plan.without)
        self.script = random.Random(plan.seed + 1)
        self.broker = Broker(lambda: self.now, self.script, plan.transaction_timeout)
        for name in (IN, OUT, LOG):
            self.broker.create(name, plan.partitions)
        self.broker.create(DEAD, self.script.choice((1, plan.partitions)))
        self.group = Group(self.inputs, lambda: self.now, self.script, plan.session)
        stage = self.build()
        self.controlled = isinstance(stage, Controlled)
        self.oracle = TunedOracle(stage, self.broker, self.controls) if self.controlled else Oracle(stage, self.broker)
        self.broker.on_commit = lambda tp, committed: check_commit(self.redis, self.stage_name, tp, committed)
        self.feeds = [values(self.script, plan.records // plan.partitions) for _ in range(plan.partitions)]

    # -- what the ports of a process ask for --------------------------------------------------------------------------

    @property
    def inputs(self) -> list[TopicPartition]:
        return [TopicPartition(IN, partition) for partition in range(self.plan.partitions)]

    @property
    def stage_name(self) -> str:
        return self.build().name

    def wait(self, seconds: float) -> None:
        """Time passes: clients that are not frozen send heartbeats, the broker ends what has timed out."""
        self.now += seconds
        for process in self.processes:
            if process.alive and not process.frozen:
                process.heartbeat()
        self.group.expire()
        self.broker.tick()

    def freeze(self, process: Process) -> None:
        """SIGSTOP here, SIGCONT later; meanwhile the others go on, and perhaps take over."""
        if self.depth >= 2:
            return
        self.depth, process.frozen = self.depth + 1, True
        until = self.now + self.script.choice((2.0, 7.0, 8.0, 9.0, 25.0))
        while self.now < until:
            self.others(process, 1)
            self.wait(0.5)
        self.depth, process.frozen = self.depth - 1, False
        if not process.member_known:
            self.chance.seen["zombie"] += 1

    def others(self, process: Process, cycles: int) -> None:
        """Whoever else can run goes on for some cycles, before the call under way in `process` takes effect."""
        for _ in range(cycles):
            awake = [p for p in self.processes if p.alive and not p.busy]
            if awake:
                self.script.choice(awake).cycle()

    def needed(self, scope: str) -> set[str]:
        for tp in self.inputs:
            if scope_of(self.stage_name, tp) == scope:
                return chain_keys(self.redis, scope, self.broker.offsets.get(tp))
        return set()

    def failed(self, reason: str) -> None:
        """A worker has stopped itself."""
        self.fatal.append(reason)
        self.chance.seen["stopped itself"] += 1
        if not self.expects_fatal and not any(known in reason for known in _MAY_STOP):
            raise Violation(f"a worker stopped: {reason}")

    def published(self, view: View) -> None:
        if self.judges_views:
            self.oracle.check_view(view, self.broker.offsets)

    # -- the schedule -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Raises Violation where the promise is broken."""
        for partition in range(self.plan.partitions):
            self.feed(partition, self.script.randint(0, 15))
        for _ in range(self.script.randint(1, 3)):
            self.start()
        for _ in range(self.plan.steps):
            self._disturb()
            self._one_cycle()
        self.finish()
        self._last_owner()
        self.oracle.check(self.chance)
        self._check_garbage()

    def _one_cycle(self) -> None:
        awake = [p for p in self.processes if p.alive and not p.busy]
        if awake:
            self.script.choice(awake).cycle()
        else:
            self.wait(1.0)
            self.start()

    def _disturb(self) -> None:
        fault, script = self.chance.fault, self.script
        if script.random() < 0.15:
            self.feed(script.randrange(self.plan.partitions), script.randint(1, 8))
        if script.random() < 0.02 and sum(p.alive for p in self.processes) < 4:
            self.start()
        if self.controlled and script.random() < 0.1:
            self.control()
        alive = [p for p in self.processes if p.alive]
        if alive and fault("killed"):
            script.choice(alive).die()
        if alive and fault("stopped in order"):
            script.choice(alive).stop()
        if fault("redis flushed"):
            self.redis.lose(self.chance, everything=True)
        if fault("redis loses keys"):
            self.redis.lose(self.chance, everything=False)
        if fault("redis up or down"):
            self.redis.down = not self.redis.down
        if script.random() < 0.05:
            self.wait(script.choice((0.3, 1.0, 3.0)))

    def control(self) -> None:
        """Someone writes a control record."""
        number = len(self.controls)
        self.controls.append(Control(number, b"k%d" % self.script.randrange(3), b"c%d" % number))

    def start(self) -> Process:
        """One more worker, in the first free slot."""
        taken = {p.slot for p in self.processes if p.alive}
        slot = next(n for n in range(100) if n not in taken)
        self.started += 1
        process = Process(self, self.started, slot, self.script)
        self.processes.append(process)
        process.begin()
        return process

    def stop_all(self) -> None:
        """Every worker ends in order, and nobody remembers it at the broker."""
        for process in self.processes:
            if process.alive:
                process.stop()
        self.wait(30.0)
        self.broker.settle()

    def finish(self) -> None:
        """No more faults: everything fed must come out."""
        self.chance.calm, self.redis.down = True, False
        for partition, feed in enumerate(self.feeds):
            self.feed(partition, len(feed))
        for _ in range(3_000):
            if self._all_committed():
                return
            self._one_cycle()
            self.wait(0.05)
        raise Violation(f"stuck: {self.broker.offsets}")

    def _last_owner(self) -> None:
        """All stop in order, one more takes over and commits: its sweep leaves only what its commits name."""
        self.stop_all()
        for tp in self.inputs:
            self.broker.append(tp, b"ada", b"10000:1")
        self.start()
        for _ in range(200):
            self._one_cycle()
            self.wait(1.0)
            if self._all_committed():
                return
        raise Violation("the last owner is stuck")

    def _all_committed(self) -> bool:
        committed = [self.broker.offsets.get(tp, Committed(None, None)).offset for tp in self.inputs]
        return committed == [len(self.broker.log(tp).entries) for tp in self.inputs]

    def feed(self, partition: int, count: int) -> None:
        """Plain records, and transactions of some producer that commits or aborts: its markers take offsets."""
        tp, feed, script = TopicPartition(IN, partition), self.feeds[partition], self.script
        while count > 0 and feed:
            size = min(count, script.randint(1, 4), len(feed))
            count -= size
            txn = Txn(self.now) if script.random() < 0.3 else None
            aborted = txn is not None and script.random() < 0.4
            for key, value in feed[:size]:
                self.broker.append(tp, key, value, (("n", b"1"),), txn)
            if txn is not None:
                self.broker.end(txn, commit=not aborted)
            if not aborted:
                del feed[:size]

    def _check_garbage(self) -> None:
        for tp in self.inputs:
            scope = scope_of(self.stage_name, tp)
            left = set(self.redis.scopes.get(scope, {})) - chain_keys(self.redis, scope, self.broker.offsets[tp])
            if left:
                raise Violation(f"{len(left)} keys of {scope} belong to no commit")
