"""`faultline score` as its users meet it: files, and a real VictoriaMetrics asked by cron; alerts as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support import cli
from tests.support.cli import Finished
from tests.support.metrics_servers import Sample, VictoriaMetrics
from tests.support.receiver import Receiver

pytestmark = pytest.mark.integration

STEP = 300
START = 1_772_323_200


def faultline(*arguments: str, env: Mapping[str, str] | None = None) -> Finished:
    return cli.faultline(*arguments, env=env, timeout=240)


def values(count: int, bad: range, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Latency (seconds) with some noise, ten times as long in `bad`."""
    latency = np.random.default_rng(seed).normal(0.2, 0.01, count)
    latency[list(bad)] *= 10
    return latency


def table(path: Path, count: int, bad: range, first: int = 0) -> Path:
    frames = [
        pd.DataFrame(
            {
                "timestamp": pd.to_datetime((START + np.arange(count) * STEP) * 1_000_000_000, utc=True),
                "entity": name,
                "latency_p95_seconds": values(count, bad if name == "booking" else range(0), seed),
            }
        )
        for seed, name in enumerate(("booking", "search"))
    ]
    pd.concat(frame.iloc[first:] for frame in frames).sort_values("timestamp").to_parquet(path)
    return path


def summary(alerts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["alert_type"], one["service"]) for one in alerts]


def test_alerts_of_a_file_have_the_fields_that_jq_and_people_look_for(tmp_path: Path) -> None:
    data = table(tmp_path / "day.parquet", 330, range(290, 296))
    done = faultline("score", str(data), "--verbose", env={"ALERTS_DIR": str(tmp_path / "alerts")})
    assert done.code == 0, done.err
    found, over = done.json
    assert (found["alert_type"], found["service"], found["anomaly_count"]) == ("anomaly_detected", "booking", 1)
    assert found["overall_severity"] in ("low", "medium", "high", "critical")
    [anomaly] = found["anomalies"]
    assert set(anomaly) == {"type", "severity", "confidence_score", "description", "metadata"}
    assert anomaly["metadata"]["occurrence_count"] == 1
    assert (over["alert_type"], over["incident_id"]) == ("incident_resolved", anomaly["metadata"]["incident_id"])
    assert over["fingerprint_id"] == anomaly["metadata"]["fingerprint_id"]
    assert 45 <= over["resolution_details"]["incident_duration_minutes"] <= 120  # rolling windows remember
    files = sorted((tmp_path / "alerts").glob("*.json"))
    assert [json.loads(path.read_text()) for path in files] == done.json
    assert anomaly["description"] in done.err
    assert "booking: " in done.err
    assert "by generic fallback" in done.err


def test_files_one_after_the_other_are_gone_on_with_and_nothing_counts_twice(tmp_path: Path) -> None:
    whole = table(tmp_path / "whole.parquet", 330, range(290, 297))
    state = ("--state", str(tmp_path / "state.db"))
    first = faultline("score", str(table(tmp_path / "first.parquet", 295, range(290, 295))), *state)
    assert summary(first.json) == [("anomaly_detected", "booking")]
    second = faultline("score", str(whole), *state)  # holds what the first file held, too
    assert summary(second.json) == [("incident_resolved", "booking")]
    known = first.json[0]["anomalies"][0]["metadata"]
    assert second.json[0]["incident_id"] == known["incident_id"]
    for more, said in (((), "differ from those of the run before: beginning anew\n"), (("--quiet",), "")):
        env = {"FAULTLINE_WINDOWS__LATENESS_MS": str(20_000 + len(more))}
        again = faultline("score", str(tmp_path / "first.parquet"), *state, *more, env=env)
        assert again.code == 0
        assert again.err.endswith(said)
        assert bool(again.err) == bool(said)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "give files, or --source"),
        (("--source", "victoriametrics"), "needs --once"),
        (("x.parquet", "--service", "a"), "are for --source"),
        (("/nowhere.parquet",), "no such file"),
    ],
)
def test_wrong_use_is_told_with_exit_code_2(arguments: tuple[str, ...], problem: str) -> None:
    done = faultline("score", *arguments)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err


QUERIES = """
label: job
queries:
  - {name: latency_p95, unit: seconds, direction: up, query: 'max by ({label}) (max_over_time(slow[{window}]))'}
"""


class Cron:
    """Runs against one server, each as if it were so many steps earlier."""

    def __init__(self, url: str, folder: Path, **more: str) -> None:
        (folder / "own.yaml").write_text(QUERIES)
        self.env: Mapping[str, str] = {
            "VM_ENDPOINT": url,
            "FINGERPRINT_DB": str(folder / "anomaly_state.db"),
            "FAULTLINE_VICTORIAMETRICS__QUERIES": str(folder / "own.yaml"),
            "MODELS_DIR": str(folder / "models"),
            **more,
        }

    def run(self, earlier: int, **more: str) -> Finished:
        delay = {"FAULTLINE_VICTORIAMETRICS__DELAY_S": str(earlier * STEP)}
        return faultline("score", "--source", "victoriametrics", "--once", env={**self.env, **delay, **more})


@pytest.mark.timeout(900)  # four commands that each load everything: minutes on a machine that many share
def test_runs_of_cron_tell_what_is_wrong_what_is_over_and_how_often_it_came_back(tmp_path: Path) -> None:
    count = 360
    now = int(time.time()) // STEP * STEP
    latency = values(count, range(300, 306), 0)
    latency[330:336] *= 10
    with VictoriaMetrics() as server, Receiver() as receiver:
        server.write(
            Sample("slow", 'job="booking"', float(v), now - (count - 1 - n) * STEP) for n, v in enumerate(latency)
        )
        cron = Cron(server.url, tmp_path, OBSERVABILITY_URL=receiver.url)
        begun = cron.run(earlier=count - 304)
        assert summary(begun.json) == [("anomaly_detected", "booking")], begun.err
        server.stop()
        failed = cron.run(earlier=30, VM_MAX_RETRIES="0")
        assert (failed.code, failed.out) == (1, "")
        assert "cannot be reached" in failed.err
        server.start()
        receiver.answer = 503
        over = cron.run(earlier=count - 325)
        assert over.code == 1
        assert "1 alerts could not be posted" in over.err
        assert summary(over.json) == [("incident_resolved", "booking")]
        receiver.answer = 200
        back = cron.run(earlier=count - 334)
        assert summary(back.json) == [("anomaly_detected", "booking")]
        assert back.json[0]["anomalies"][0]["metadata"]["occurrence_count"] == 2
    assert receiver.bodies == [*begun.json, *over.json, *back.json]
