"""`faultline drift` over files, and over what the workers wrote to a real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from schemas.records import encode
from tests.support.broker import Broker, Record
from tests.support.cli import faultline
from workers.cli.drifting import OWN, Drift, latest_rows

DAY_US = 86_400_000_000
MONDAY = 1_772_409_600_000_000
"""2026-03-02T00:00Z."""


def _table(first_day: int, days: int, queue: float = 50.0) -> pd.DataFrame:
    rng = np.random.default_rng(first_day)
    n = days * 288 + 4  # twenty minutes of the next day: one of its windows is counted for sure
    start = pd.Timestamp(MONDAY + first_day * DAY_US, unit="us", tz="UTC")
    return pd.DataFrame(
        {
            "timestamp": pd.date_range(start, periods=n, freq="5min"),
            "entity": "db",
            "queue": queue + rng.normal(size=n),
            "cpu_ratio": 0.4 + 0.01 * rng.normal(size=n),
        }
    )


def record(entity: str, day: int, scope: str = "global", **psi: float) -> dict[str, Any]:
    """A day's record in which what is above 0.25 has shifted."""
    return {
        "entity": entity,
        "time": MONDAY + day * DAY_US,
        "profile": "host",
        "scope": scope,
        "version": "a" * 32,
        "psi": [{"feature": name, "psi": value, "usual": 0.1} for name, value in psi.items()],
        "score_mean": 0.5,
        "alarm_rate": 0.25,
        "shifted": sorted((name for name, value in psi.items() if value > 0.25), key=lambda name: -psi[name]),
        "windows": 100,
    }


def test_days_are_gathered_by_scope_and_the_last_of_each_entity_is_kept() -> None:
    found = Drift.of(
        [
            record("a", 2, load=0.1, cpu=0.9),
            record("a", 1, load=0.9),
            record("b", 1, load=0.4),
            record("c", 1, "entity=c", load=0.0),
            record("d", 1, "entity=d", load=0.0),
        ]
    )
    whole, own = found.document()["scopes"][1], found.document()["scopes"][0]  # type: ignore[index]
    assert (own["scope"], own["entities"], own["days_shifted"]) == (OWN, 2, 0)
    assert (whole["entities"], whole["days"], whole["days_shifted"]) == (2, 3, 3)
    assert whole["features"] == {"load": 2, "cpu": 1}
    assert (whole["score_mean"], whole["alarm_rate"]) == (0.5, 0.25)
    assert (found.days, found.shifted) == (5, 3)
    assert [one["entity"] for one in found.worst()] == ["a", "b"]
    assert [row[-1] for row in latest_rows(found.worst())] == ["cpu (0.90, 0.10)", "load (0.40, 0.10)"]


def test_files_are_measured_by_the_models_in_force(tmp_path: Path) -> None:
    env = {"FAULTLINE_REGISTRY__URL": str(tmp_path / "registry")}
    learned, alike, other = (tmp_path / f"{name}.parquet" for name in ("learned", "alike", "other"))
    _table(0, 7).to_parquet(learned)
    _table(7, 2).to_parquet(alike)
    _table(7, 2, queue=60.0).to_parquet(other)
    none = faultline("drift", str(alike), "--json", env=env)
    assert none.json == {"scopes": [], "entities": []}
    unknown = faultline("drift", str(alike), "--quiet", "--require", "1", env=env)
    assert (unknown.code, "no day to judge by" in unknown.err) == (1, True)
    assert faultline("train", str(learned), "--detectors", "deviation", "--quiet", env=env).code == 0
    quiet = faultline("drift", str(alike), "--json", "--require", "0", env=env)
    assert quiet.code == 0, quiet.err
    (scope,) = quiet.json["scopes"]
    assert (scope["profile"], scope["scope"], scope["days"], scope["days_shifted"]) == ("generic", OWN, 2, 0)
    moved = faultline("drift", str(other), "--json", "--require", "0.5", env=env)
    assert moved.code == 1
    assert "2 of 2 days have shifted, more than 50%" in moved.err
    (entity,) = moved.json["entities"]
    assert entity["shifted"] == ["queue"]
    assert entity["alarm_rate"] > 0.1
    told = faultline("drift", str(other), env=env).out
    assert "queue (2)" in told
    assert "db" in told


@pytest.mark.integration
def test_what_the_workers_wrote_is_told_by_drift_and_by_status(kafka: Broker) -> None:
    env = {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FAULTLINE_NAMESPACE": kafka.unique("ns"),
        "FAULTLINE_TOPICS__PARTITIONS": "2",
    }
    assert faultline("topics", "create", env=env).code == 0
    topic = f"{env['FAULTLINE_NAMESPACE']}.anomaly.drift.v1"
    assert "no day to tell of" in faultline("drift", env=env).out
    json, avro = encode("Drift", [record("a", 1, load=0.9)]), encode("Drift", [record("b", 1, load=0.1)], "avro")
    kafka.produce(topic, [Record(json[0], partition=0), Record(avro[0], partition=1)])
    told = faultline("drift", "--json", env=env).json
    assert [(one["days"], one["days_shifted"]) for one in told["scopes"]] == [(2, 1)]
    assert [one["entity"] for one in told["entities"]] == ["a"]
    assert faultline("drift", "--entity", "b", "--require", "0", "--quiet", env=env).code == 0
    status = faultline("status", "--json", env=env).json
    assert status["drift"] == told["scopes"]
    assert "drift over the last two days" in faultline("status", env=env).out
