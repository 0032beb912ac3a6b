"""Running schedules by seed, making a failing one small, and counting what really happened in them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import structlog

from tests.model.chance import Violation
from tests.model.counting import Counting
from tests.model.world import Plan, World
from workers.runtime.errors import Fatal
from workers.runtime.stage import Stage

Build = Callable[[], Stage[Any]]


def silence() -> None:
    """Millions of cycles log nothing."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def gives_up(*asked: object) -> NoReturn:
    """In place of asking what became of a transaction: the worker stops, as if its producer could not reopen."""
    raise Fatal("the producer cannot reopen")


def run(plan: Plan, build: Build) -> tuple[Counter[str], str | None, list[str]]:
    """One schedule: what was seen, what broke (None: nothing), and what happened."""
    metrics = Counting()
    world = World(plan, build, metrics)
    broken = None
    try:
        world.run()
    except Exception as violation:
        broken = str(violation) if isinstance(violation, Violation) else repr(violation)
    return world.chance.seen + world.broker.seen + metrics.seen, broken, world.chance.trace


def shrink(plan: Plan, build: Build) -> Plan:
    """The same seed with as few faults as still break it."""
    faults = sum(line.startswith("#") for line in run(plan, build)[2])
    for number in range(faults + len(plan.without), 0, -1):
        less = replace(plan, without=plan.without | {number})
        if run(less, build)[1] is not None:
            plan = less
    return plan


def report(plan: Plan, build: Build) -> str:
    """For the reader of a failure: what broke, after which faults, and how to run it again."""
    small = shrink(plan, build)
    _, broken, trace = run(small, build)
    story = "\n  ".join(trace[-40:])
    return f"{broken}\n  {story}\nrun again: run({small!r}, …)"
