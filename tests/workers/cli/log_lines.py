"""Made-up log lines of services, day and night, with what a day of trouble brings on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events, Strings
from tests.workers.windows.pane_events import strings
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
_VARIANTS = 200


@dataclass(frozen=True)
class Trouble:
    """Lines of a message between two times, so many a minute on top; 0: none of those that are said by chance or by
    the clock.
    """

    entity: str
    text: str
    start: int
    end: int
    rate: float


def lines(entities: Sequence[str], start: int, end: int, troubles: Sequence[Trouble] = (), seed: int = 0) -> Events:
    """Log events of these services in time order, with the level INFO."""
    rng = np.random.default_rng(seed)
    texts = [*BY_CHANCE, *BY_CLOCK, *(one.text for one in troubles)]
    texts = list(dict.fromkeys(texts))
    parts: list[NDArray[np.int64]] = []
    for number, entity in enumerate(entities):
        for text in texts:
            times = _times(text, start, end, rng)
            for one in troubles:
                if (one.entity, one.text) == (entity, text):
                    count = int(one.rate * (one.end - one.start) / (60 * SECOND))
                    more = rng.uniform(one.start, one.end, count).astype(np.int64)
                    kept = times if one.rate else times[(times < one.start) | (times >= one.end)]
                    times = np.concatenate((kept, more))
            parts.append(np.stack((times, np.full(len(times), number), np.full(len(times), texts.index(text)))))
    time, entity_code, text_code = np.concatenate(parts, axis=1)
    order = np.argsort(time, kind="stable")
    variant = rng.integers(_VARIANTS, size=len(time))
    said = strings([_filled(text, rng) for text in texts for _ in range(_VARIANTS)])
    message = said.codes[text_code * _VARIANTS + variant]
    return _events(time[order], Strings(entity_code[order].astype(np.int32), list(entities)), said, message[order])


def _times(text: str, start: int, end: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if text in BY_CLOCK:
        return np.arange(start, end, BY_CLOCK[text], dtype=np.int64)
    rate = BY_CHANCE.get(text, 0.0)
    times = rng.uniform(start, end, rng.poisson(rate * (end - start) / (60 * SECOND)))
    daily = (2 - np.cos((times - MONDAY) / DAY * 2 * np.pi)) / 3
    return times[rng.random(len(times)) < daily].astype(np.int64)


def _filled(text: str, rng: np.random.Generator) -> str:
    while "{n}" in text:
        text = text.replace("{n}", str(rng.integers(1, 255)), 1)
    return text.replace("{name}", _NAMES[int(rng.integers(len(_NAMES)))])


def _events(time: NDArray[np.int64], entity: Strings, said: Strings, message: NDArray[np.int32]) -> Events:
    n = len(time)
    rows, zeros = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
    values = [*said.values, "INFO"]
    value = np.stack((message, np.full(n, len(values) - 1)), axis=1).astype(np.int32).reshape(-1)
    nothing, nowhere = np.full(n, -1, np.int32), np.empty(0, np.int32)
    return Events(
        record=rows,
        time=time,
        entity=entity,
        kind=Strings(zeros, ("log",)),
        weight=np.ones(n),
        observed_at=np.full(n, NULL_TIME),
        id=Strings(nothing, ()),
        source=Strings(nothing, ()),
        attr_row=np.repeat(rows, 2),
        attr_name=Strings(np.tile(np.arange(2, dtype=np.int32), n), ("message", "level")),
        attr_value=Strings(value, values),
        metric_row=nowhere,
        metric_name=Strings(nowhere, ()),
        metric_value=np.empty(0),
        metric_type=np.empty(0, np.int8),
        dist_row=nowhere,
        dist_name=Strings(nowhere, ()),
        bound_start=np.zeros(1, np.int64),
        bounds=np.empty(0),
        count_start=np.zeros(1, np.int64),
        counts=np.empty(0, np.int64),
    )
