"""Made-up log lines of services, day and night, with what a day of trouble brings on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.columns import Events
from schemas.events import events_from_dicts
from tests.workers.windows.pane_records import SECOND

DAY = 86_400 * SECOND
MONDAY = 1_772_409_600_000_000  # 2 March 2026
BY_CHANCE = {  # lines a minute at noon; a third of that at midnight
    "request {n} served in {n} ms": 12.0,
    "cache hit for key user:{n}": 8.0,
    "user {name} logged in from 10.0.{n}.{n}": 3.0,
    "retrying upstream, attempt {n}": 0.3,
    "connection to 10.0.{n}.{n}:{n} refused": 0.02,
}
BY_CLOCK = {"health check ok": 10 * SECOND}
_NAMES = ("alice", "bob", "carol", "dave", "eve", "frank", "grace")


@dataclass(frozen=True)
class Trouble:
    """More of a message between two times (microseconds since the day began), or none of one that is said by chance
    or by the clock (`rate` 0)."""

    entity: str
    text: str
    start: int
    end: int
    rate: float


def lines(entities: Sequence[str], start: int, end: int, troubles: Sequence[Trouble] = (), seed: int = 0) -> Events:
    """Log events of these services in time order."""
    rng, told = np.random.default_rng(seed), []
    for entity in entities:
        mine = [one for one in troubles if one.entity == entity]
        for text, rate in BY_CHANCE.items():
            busy = rng.uniform(start, end, rng.poisson(rate * (end - start) / (60 * SECOND)))
            daily = (2 - np.cos((busy - MONDAY) / DAY * 2 * np.pi)) / 3
            told += [(time, entity, text) for time in busy[rng.random(len(busy)) < daily].tolist()]
        for text, interval in BY_CLOCK.items():
            told += [(float(time), entity, text) for time in range(start, end, interval)]
        gone = [one for one in mine if one.rate == 0]
        told = [one for one in told if not any(_within(one, trouble) for trouble in gone)]
        for one in mine:
            if one.rate:
                times = rng.uniform(one.start, one.end, int(one.rate * (one.end - one.start) / (60 * SECOND)))
                told += [(time, entity, one.text) for time in times.tolist()]
    told.sort()
    return events_from_dicts([_event(time, entity, text, rng) for time, entity, text in told])


def _within(line: tuple[float, str, str], trouble: Trouble) -> bool:
    time, entity, text = line
    return entity == trouble.entity and text == trouble.text and trouble.start <= time < trouble.end


def _event(time: float, entity: str, text: str, rng: np.random.Generator) -> dict[str, object]:
    while "{n}" in text:
        text = text.replace("{n}", str(rng.integers(1, 255)), 1)
    text = text.replace("{name}", _NAMES[int(rng.integers(len(_NAMES)))])
    return {"timestamp": int(time), "entity": entity, "kind": "log", "attributes": {"level": "INFO", "message": text}}
