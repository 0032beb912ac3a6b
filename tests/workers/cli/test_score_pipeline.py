"""One-shot scoring: cut into runs it says what one long run would have said, and what is told follows incidents."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.columns import Events
from workers.cli.alerts import Standing
from workers.cli.failures import Failure
from workers.cli.score_pipeline import Pipeline
from workers.cli.score_state import Memory, opened
from workers.settings import Settings
from workers.sources.victoriametrics.slices import Slice

SETTINGS = Settings().with_registry("")
STEP, START = 300, 1_772_323_200
STEPS = 24 * 12 + 40
BAD = range(24 * 12, 24 * 12 + 20)


def steps(first: int, last: int) -> tuple[Events, int, int]:
    """Steps [first, last) of two services: one is slow for a while, the other falls silent behind the first day."""
    noise = np.random.default_rng(1).normal(1.0, 0.05, (STEPS, 2, 2))
    values = noise * np.array([0.2, 30.0])
    values[list(BAD), 0, 0] *= 10
    values[24 * 12 + 10 :, 1] = np.nan
    time = START + np.arange(STEPS, dtype=np.int64) * STEP
    part = Slice(
        time[first:last], ["cart", "pay"], ["latency_p95_seconds", "request_rate_per_second"], values[first:last]
    )
    return part.events("test"), int(time[first]) * 1_000_000, int(time[last - 1]) * 1_000_000


def run(pipeline: Pipeline, first: int, last: int) -> list[dict[str, Any]]:
    events, begin, end = steps(first, last)
    return pipeline.watch(events, begin, end, STEP * 1_000_000)


def test_runs_that_go_on_from_each_other_say_what_one_long_run_says(tmp_path: Path) -> None:
    whole = Pipeline(SETTINGS)
    said = run(whole, 0, STEPS)
    assert {(event["entity"], event["type"], event["cause"]) for event in said} >= {
        ("cart", "CREATE", "deviation"),
        ("cart", "RESOLVE", "deviation"),
        ("pay", "CREATE", "silence"),
    }
    cuts = [0, 1, 100, 24 * 12 + 2, 24 * 12 + 15, 24 * 12 + 16, STEPS]
    parts: list[dict[str, Any]] = []
    for first, last in pairwise(cuts):
        pipeline = Pipeline(SETTINGS)
        with opened(tmp_path / "state.db") as state:
            known = state.read()
            if known is not None:
                pipeline.resume(known.parts, known.offsets)
            parts += run(pipeline, first, last)
            saved, offsets = pipeline.save()
            state.write(Memory("c", {}, offsets, {}, saved), [])
    assert parts == said


def event(kind: str, time: int, severity: str = "high", **more: object) -> dict[str, Any]:
    return {
        "type": kind, "incident_id": "i", "id": f"{kind}{time}", "time": time, "sequence": time, "severity": severity,
        "entity": "cart", "profile": "generic", "cause": "deviation", "regular": True, "fingerprint_id": "f",
        "opened_at": 0, "first_anomalous_at": 0, "last_anomalous_at": time, "resolved_at": None, "occurrence_count": 2,
        "window_count": 5, "reason": "r", "impact": "", "recommendation": "", "contributions": [], "confidence": 0.9,
        **more,
    }  # fmt: skip


def told(standing: Standing) -> list[tuple[str, str]]:
    return [
        (
            one.payload["alert_type"],
            one.payload.get("overall_severity") or one.payload["resolution_details"]["final_severity"],
        )
        for one in standing.alerts()
    ]


def test_what_is_open_is_told_in_every_run_and_what_is_over_once() -> None:
    first = Standing()
    first.take([event("CREATE", 1), event("ESCALATE", 2, "critical")])
    assert told(first) == [("anomaly_detected", "critical")]
    second = Standing(first.open)
    second.take([])
    assert told(second) == [("anomaly_detected", "critical")]
    third = Standing(second.open)
    third.take([event("RESOLVE", 4, "low"), event("CLOSED", 5, "low")])
    assert told(third) == [("incident_resolved", "critical")]
    assert told(Standing(third.open)) == []


def test_what_came_and_went_between_two_runs_is_told_as_both() -> None:
    standing = Standing()
    standing.take([event("CREATE", 1), event("RESOLVE", 4)])
    assert told(standing) == [("anomaly_detected", "high"), ("incident_resolved", "high")]
    payloads = [one.payload for one in standing.alerts()]
    assert payloads[0]["anomalies"][0]["metadata"]["occurrence_count"] == 2
    assert payloads[1]["resolution_details"]["total_occurrences"] == 5
    assert {one.message.id for one in standing.alerts()} == {one.message.id for one in standing.alerts()}


def test_what_is_held_back_and_silence_of_who_reports_now_and_then_are_not_told() -> None:
    standing = Standing()
    standing.take([event("SUPPRESS", 1), event("CREATE", 2, cause="silence", regular=False)])
    assert told(standing) == []


def test_what_an_earlier_state_told_of_and_nobody_knows_any_more_ends() -> None:
    standing = Standing()
    standing.take([event("CREATE", 1), event("RESOLVE", 2)])
    standing.forget_the_past()
    standing.end_unknown({"i": event("CREATE", 1)})
    assert told(standing) == [("incident_resolved", "high")]


def test_a_state_is_nobody_elses_while_a_run_lasts(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db"), pytest.raises(Failure, match="another run is under way"):
        opened(tmp_path / "state.db").__enter__()


def test_a_file_that_is_no_state_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database" * 100)
    with pytest.raises(Failure, match="begin anew"):
        opened(tmp_path / "state.db").__enter__()


def test_what_could_not_be_delivered_waits_in_its_order(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as state:
        state.write(Memory("c"), [("a", 1, "cart", b"1"), ("b", 2, "pay", b"2")])
        state.write(Memory("c"), [("c", 3, "pay", b"3")])
        assert [one.id for one in state.undelivered()] == ["a", "b", "c"]
        state.delivered(state.undelivered()[0].number)
    with opened(tmp_path / "state.db") as state:
        assert [(one.id, one.body) for one in state.undelivered()] == [("b", b"2"), ("c", b"3")]
