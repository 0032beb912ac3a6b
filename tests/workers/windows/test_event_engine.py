"""The event engine's rules: one vector per event, at its own record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.features.event import EVENT, event_features
from tests.workers.windows.telemetry import S, Seen, Sent, play
from workers.windows.engine import EnginePolicy
from workers.windows.event_engine import EventEngine
from workers.windows.profiles import Profile, ProfileError, shipped

START = 1_700_000_400 * S
PROFILE = shipped()["event"]


def log(time: int, entity: str = "a", latency: float | None = 10.0, **attributes: str) -> Sent:
    metrics = {} if latency is None else {"latency_ms": latency}
    return Sent(START + time * S, entity, metrics, attributes, kind="log")


def run(sent: list[Sent], **policy: Any) -> Seen:
    return play(EventEngine(PROFILE, replace(EnginePolicy(), **policy), 0), sent, names=EVENT.names)


def test_every_event_gets_its_vector_at_its_own_record() -> None:
    seen = run([log(0), log(5, "b"), log(3), log(5)])
    assert [(row.at, row.entity, (row.end - START) // S) for row in seen.rows] == [
        (0, "a", 0), (1, "b", 5), (2, "a", 3), (3, "a", 5),
    ]  # fmt: skip
    assert all(row.end - row.start == 300 * S and row.events == 1 for row in seen.rows)


def test_events_of_one_entity_and_time_are_numbered() -> None:
    assert [row.sequence for row in run([log(0), log(0, "b"), log(0), log(1), log(0)]).rows] == [0, 0, 1, 0, 2]


@pytest.mark.parametrize(
    ("attributes", "level", "error"),
    [
        ({"level": "TRACE"}, 0.0, 0.0),
        ({"level": "info"}, 0.0, 0.0),
        ({"level": "WARN"}, 1.0, 0.0),
        ({"level": "Error"}, 2.0, 1.0),
        ({"level": "CRITICAL"}, 3.0, 1.0),
        ({"level": "FATAL"}, 3.0, 1.0),
        ({"level": "verbose"}, 0.0, 0.0),
        ({"level": "emerg"}, 3.0, 1.0),
        ({"level": "loud"}, np.nan, 0.0),
        ({"status_code": "500"}, np.nan, 1.0),
        ({"status_code": "404"}, np.nan, 0.0),
        ({"error": "true"}, np.nan, 1.0),
    ],
)
def test_level_and_error_follow_the_vocabulary(attributes: dict[str, str], level: float, error: float) -> None:
    (row,) = run([log(0, "a", 10.0, **attributes)]).rows
    np.testing.assert_array_equal([row.values["level"], row.values["error"]], [level, error])


def test_a_late_event_has_a_vector_and_one_too_late_has_none() -> None:
    seen = run([log(1000), log(800), log(600)])
    assert [(row.end - START) // S for row in seen.rows] == [1000, 800]
    assert [row.late for row in seen.rows] == [0, 1]
    assert (seen.counts["late_in_closed_pane"], seen.counts["dropped_late"]) == (1, 1)


def test_live_features_are_those_of_the_table() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.integers(0, 20, 200))
    latency = np.round(rng.exponential(50, 200), 3)
    levels = rng.choice(["INFO", "WARN", "ERROR"], 200)
    status = rng.choice([200, 404, 503], 200)
    sent = [
        log(int(t), "a", float(x), level=str(level), status_code=str(code))
        for t, x, level, code in zip(times, latency, levels, status, strict=True)
    ]
    others = [log(int(t), "b") for t in times]
    mixed = [one for pair in zip(sent, others, strict=True) for one in pair]
    seen = play(EventEngine(PROFILE, EnginePolicy(), 0), mixed, cut=17, names=EVENT.names)
    scores = np.array([{"INFO": 0.0, "WARN": 1.0, "ERROR": 2.0}[level] for level in levels])
    expected = event_features(START + times * S, latency, scores, status.astype(float), np.zeros(200, bool))
    np.testing.assert_array_equal([list(row.values.values()) for row in seen.of("a")], expected)


def test_a_skewed_event_has_no_vector() -> None:
    skewed = Sent(START + 9000 * S, "a", {"latency_ms": 1.0}, reference=START, skewed=True, kind="log")
    seen = run([log(0), skewed, log(1)])
    assert len(seen.rows) == 2
    assert seen.counts["skewed"] == 1


def test_at_the_cap_the_least_recent_entity_is_forgotten() -> None:
    seen = run([log(0, "a"), log(1, "b"), log(2, "c"), log(3, "a"), log(4, "c")], max_entities=2)
    assert [row.values["events__count_5m"] for row in seen.rows] == [1, 1, 1, 1, 2]


def test_another_window_is_refused() -> None:
    profile = Profile.model_validate({**PROFILE.model_dump(), "windows": (60 * S,)})
    with pytest.raises(ProfileError, match="5m"):
        EventEngine(profile, EnginePolicy(), 0)
