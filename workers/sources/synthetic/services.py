"""Requests and log lines of synthetic services, drawn in columns, in time order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import GAUGE, NULL_TIME, Events, Strings
from workers.sources.synthetic.plan import MINUTE, Plan, habits
from workers.sources.synthetic.rhythm import QUIET, busyness, local_hours, requests
from workers.sources.synthetic.truth import Truth

ERROR_RATE = (0.001, 0.02)
"""Share of failed requests in a normal interval."""
P99_MS = (100.0, 150.0)
"""99th percentile of latency in a normal interval."""
SPREAD = 0.25
"""Standard deviation of the logarithm of latency within an interval."""

_P99_Z = 2.3263478740408408  # standard normal quantile of 0.99
_INTERVALS, _BLOCKS = 2, 3  # the seed's streams for interval rates and for single events
_TRAFFIC, _ERRORS, _LATENCY = 10, 11, 12  # what services differ in

_PATHS = (
    *("/", "/login", "/items", "/items/{id}", "/search", "/cart"),
    *("/cart/items", "/orders", "/orders/{id}", "/account", "/health", "/metrics"),
)
_PATH_SHARES = (300, 60, 150, 170, 90, 70, 50, 40, 40, 20, 20, 14)  # of 1,024
_MESSAGES = {
    "INFO": ("request served", "cache refreshed", "connection reused"),
    "WARN": ("slow query", "retrying upstream", "client sent a bad request"),
    "ERROR": ("upstream timed out", "connection refused", "unhandled exception"),
}
_GOOD, _WARNED, _FAILED = 0, 1, 2
_LEVELS = ("INFO", "WARN", "ERROR")
_STATUS = (("200", "200", "200", "201", "204"), ("400", "404", "404", "429"), ("500", "502", "503", "504"))
_TABLE = 1024


@dataclass(frozen=True, slots=True)
class Rates:
    """What is drawn per entity and interval, each (entities, intervals)."""

    count: NDArray[np.int64]
    failed: NDArray[np.int64]  # of count
    warned: NDArray[np.int64]  # of the rest
    median_ms: NDArray[np.float64]


def draw_rates(truth: Truth) -> Rates:
    """Counts, errors and latency of all intervals: the rhythm, each service's own habits, noise, then the anomalies."""
    plan = truth.plan
    rng = np.random.default_rng([plan.seed, _INTERVALS])
    shape = (plan.entities, plan.intervals)
    middle = plan.start + np.arange(plan.intervals, dtype=np.int64) * plan.interval + plan.interval // 2
    hours, weekdays = local_hours(middle, plan.timezone)
    normal = _normal_counts(plan, requests(hours, weekdays), rng)
    rate = _normal_error_rate(shape, rng)
    p99 = _normal_p99(busyness(hours, weekdays), shape, rng)

    count = np.rint(normal * truth.grid("traffic", 1.0)).astype(np.int64)
    failed = _failures(count, rate, truth.grid("error_rate", np.nan), rng)
    warned = rng.binomial(count - failed, 0.02)
    median = p99 * np.exp(-_P99_Z * SPREAD) * truth.grid("latency", 1.0)
    return Rates(count, failed, warned, median)


def _normal_counts(plan: Plan, expected: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Requests per interval without anomalies, (entities, intervals)."""
    scale = plan.volume * plan.interval / (5 * MINUTE)
    habit = habits(plan.entities, _TRAFFIC, 0.96, 1.04)
    count = rng.poisson(expected * habit * scale).astype(np.float64)
    if scale >= 1:  # a Poisson draw would leave the stated band once in a few hundred quiet intervals
        low, high = QUIET
        quiet = expected < high
        count[:, quiet] = np.clip(count[:, quiet], np.ceil(low * scale), np.floor(high * scale))
    return count


def _normal_error_rate(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Each service has a usual rate; intervals vary around it."""
    usual = habits(shape[0], _ERRORS, 0.004, 0.008)
    return np.clip(usual * np.exp(0.25 * rng.standard_normal(shape)), *ERROR_RATE)


def _failures(
    count: NDArray[np.int64], rate: NDArray[np.float64], wrong: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Failed requests, held inside the stated band (`wrong`: the rate in anomalies, NaN else).

    Few requests cannot show every rate: where no whole number lies inside the band, the one below it is taken.
    """
    low, high = np.where(np.isnan(wrong), ERROR_RATE[0], 0.05), np.where(np.isnan(wrong), ERROR_RATE[1], 0.25)
    drawn = rng.binomial(count, np.where(np.isnan(wrong), rate, wrong))
    held: NDArray[np.float64] = np.minimum(np.maximum(drawn, np.ceil(low * count)), np.floor(high * count))
    return held.astype(np.int64)


def _normal_p99(busy: NDArray[np.float64], shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Each service has a usual 99th percentile (ms), a little higher when busy; intervals vary by two per cent."""
    usual = habits(shape[0], _LATENCY, 116, 124)
    return usual * (1 + 0.05 * busy) * np.exp(0.02 * rng.standard_normal(shape))


def count_events(truth: Truth) -> int:
    """How many events `service_events` gives."""
    return int(draw_rates(truth).count.sum())


def service_events(truth: Truth) -> Iterator[Events]:
    """The events of all services in time order, in blocks of some hundred thousand at most (quiet plans: fewer).

    Requests (`api`: latency_ms, status_code, path, level) for the profile `service`, log lines (`log`: latency_ms,
    level, message) for `log`. Times are spread evenly over each interval.
    """
    plan = truth.plan
    rates = draw_rates(truth)
    wording = _request_words() if plan.profile == "service" else _log_words()
    step = _block_intervals(plan)
    for first in range(0, plan.intervals, step):
        rng = np.random.default_rng([plan.seed, _BLOCKS, first])
        yield _block(plan, rates, wording, slice(first, min(first + step, plan.intervals)), rng)


def _block_intervals(plan: Plan) -> int:
    """Intervals generated at once: an hour's at most. Fixed by the plan, because the random streams follow it."""
    busiest = 1000 * plan.volume * plan.entities * plan.interval / (5 * MINUTE)
    return int(np.clip(100_000 // max(busiest, 1), 1, 12))


@dataclass(frozen=True, slots=True)
class _Words:
    """Attributes of an event: their names, all their values, and which values an outcome draws from.

    `tables[a]` is (3 outcomes, 1024 equally likely codes into `values`).
    """

    kind: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    tables: tuple[NDArray[np.int32], ...]


def _request_words() -> _Words:
    values = tuple(dict.fromkeys([*_PATHS, *_LEVELS, *(code for codes in _STATUS for code in codes)]))
    code = {value: number for number, value in enumerate(values)}
    paths = np.repeat(np.array([code[path] for path in _PATHS], np.int32), _PATH_SHARES)
    levels = np.array([[code[level]] * _TABLE for level in _LEVELS], np.int32)
    status = np.array([_cycle([code[value] for value in codes]) for codes in _STATUS], np.int32)
    return _Words("api", ("path", "status_code", "level"), values, (np.stack([paths] * 3), status, levels))


def _log_words() -> _Words:
    values = (*_LEVELS, *(text for level in _LEVELS for text in _MESSAGES[level]))
    code = {value: number for number, value in enumerate(values)}
    levels = np.array([[code[level]] * _TABLE for level in _LEVELS], np.int32)
    texts = np.array([_cycle([code[text] for text in _MESSAGES[level]]) for level in _LEVELS], np.int32)
    return _Words("log", ("level", "message"), values, (levels, texts))


def _cycle(codes: list[int]) -> list[int]:
    return (codes * (_TABLE // len(codes) + 1))[:_TABLE]


def _block(plan: Plan, rates: Rates, words: _Words, part: slice, rng: np.random.Generator) -> Events:
    count = rates.count[:, part].ravel()
    total = int(count.sum())
    intervals = np.arange(plan.intervals, dtype=np.int64)[part]
    cell = np.repeat(np.arange(len(count)), count)  # which entity and interval an event belongs to
    place = np.arange(total) - np.repeat(np.cumsum(count) - count, count)  # its number within them
    # Times are drawn independently, so "the first ones failed" is a random choice once they are in time order.
    failed, warned = rates.failed[:, part].ravel()[cell], rates.warned[:, part].ravel()[cell]
    outcome = np.where(place < failed, _FAILED, np.where(place < failed + warned, _WARNED, _GOOD)).astype(np.int8)
    starts = np.tile(plan.start + intervals * plan.interval, plan.entities)
    time = starts[cell] + rng.integers(0, plan.interval, total)
    latency = rates.median_ms[:, part].ravel()[cell] * np.exp(SPREAD * rng.standard_normal(total))
    draw = rng.integers(0, _TABLE, (len(words.names), total), dtype=np.int16)

    order = np.argsort(time, kind="stable")
    entity = (cell // len(intervals)).astype(np.int32)
    attributes = [table[outcome, drawn] for table, drawn in zip(words.tables, draw, strict=True)]
    return _events(
        time[order],
        Strings(entity[order], plan.names),
        np.round(latency[order], 3),
        words,
        np.stack([column[order] for column in attributes], axis=1),
    )


def _events(
    time: NDArray[np.int64], entity: Strings, latency: NDArray[np.float64], words: _Words, codes: NDArray[np.int32]
) -> Events:
    """Columns of events with one metric each and the same attributes; `codes` is (n, attributes)."""
    count, width = codes.shape
    rows = np.arange(count, dtype=np.int32)
    zeros = np.zeros(count, np.int32)
    return Events(
        record=rows,
        time=time,
        entity=entity,
        kind=Strings(zeros, (words.kind,)),
        weight=np.ones(count),
        observed_at=np.full(count, NULL_TIME),
        id=Strings(np.full(count, -1, np.int32), ()),
        source=Strings(zeros, ("synthetic",)),
        attr_row=np.repeat(rows, width),
        attr_name=Strings(np.tile(np.arange(width, dtype=np.int32), count), words.names),
        attr_value=Strings(codes.reshape(-1), words.values),
        metric_row=rows,
        metric_name=Strings(zeros, ("latency_ms",)),
        metric_value=latency,
        metric_type=np.full(count, GAUGE, np.int8),
        dist_row=np.empty(0, np.int32),
        dist_name=Strings(np.empty(0, np.int32), ()),
        bound_start=np.zeros(1, np.int64),
        bounds=np.empty(0),
        count_start=np.zeros(1, np.int64),
        counts=np.empty(0, np.int64),
    )
