"""What a backtest says of recorded telemetry is what the workers say of it on a real Kafka, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.broker import Broker
from tests.support.installation import Installation, eventually
from tests.support.redis_server import RedisAt

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

LEARNED, ROWS, METRICS, MACHINES = 900, 1_300, 4, 3


def _recorded(folder: Path) -> tuple[Path, Path]:
    """Tables of some machines, five minutes a row: days to learn from, and later ones with an outage in each."""
    random = np.random.default_rng(5)
    learned, later = folder / "learned", folder / "later"
    for place in (learned, later):
        place.mkdir()
    time = pd.date_range("2024-01-01", periods=ROWS, freq="5min", tz="UTC")
    day = np.asarray(time.hour * 60 + time.minute, float)[:, None] / 1440 * 2 * np.pi
    for number in range(MACHINES):
        values = 0.5 + 0.3 * np.sin(day + number) + random.normal(0, 0.05, (ROWS, METRICS))
        outage = LEARNED + 100 + 60 * number
        values[outage : outage + 24, :2] += 1.0
        values[random.random(values.shape) < 0.002] = np.nan
        table = pd.DataFrame(values, columns=[f"m{metric}" for metric in range(METRICS)])
        table.insert(0, "timestamp", time)
        table.insert(1, "entity", f"machine-{number}")
        table[:LEARNED].to_parquet(learned / f"{number}.parquet", index=False)
        table[LEARNED:].to_parquet(later / f"{number}.parquet", index=False)
    return learned, later


def _live(faultline: Installation) -> pd.DataFrame:
    rows = [score for score in faultline.values("anomaly.scores.v1") if not score["silent"] and not score["retired"]]
    wanted = ["entity", "window_end", "anomaly_score", "is_anomaly", "severity"]
    live = pd.DataFrame(rows)[wanted].rename(columns={"window_end": "timestamp"})
    live["timestamp"] = pd.to_datetime(live.timestamp, utc=True)
    return live


def test_backtest_and_workers_on_kafka_give_the_same_scores(
    kafka: Broker, redis_server: RedisAt, tmp_path: Path
) -> None:
    learned, later = _recorded(tmp_path)
    registry = {"FAULTLINE_REGISTRY__URL": str(tmp_path / "registry")}
    wanted = (ROWS - LEARNED) * MACHINES
    with Installation(kafka, redis_server, partitions=2, settings=registry) as faultline:
        trained = faultline.run("train", str(learned), timeout=600)
        assert trained.returncode == 0, trained.stderr
        faultline.start_all(("windows", "scoring"))
        sent = faultline.run("source", "replay", str(later), timeout=600)
        assert sent.returncode == 0, sent.stderr
        eventually(lambda: len(faultline.values("anomaly.scores.v1")) >= wanted, 900, f"{wanted} scores")
        live = _live(faultline)
        tested = faultline.run(
            "backtest", str(later), "--no-train", "--out", str(tmp_path / "scores.parquet"), timeout=600
        )
        assert tested.returncode == 0, tested.stderr
    offline = pd.read_parquet(tmp_path / "scores.parquet")
    both = offline.merge(live, on=["entity", "timestamp"], suffixes=("", "_live"), validate="one_to_one")
    assert len(both) == len(live) == len(offline) == wanted
    assert (both.anomaly_score.to_numpy().view(np.int64) == both.anomaly_score_live.to_numpy().view(np.int64)).all()
    assert both.is_anomaly.equals(both.is_anomaly_live)
    assert both.severity.fillna("").equals(both.severity_live.fillna(""))
    assert both.groupby("entity").is_anomaly.any().all(), "each machine's outage is found, by either"
