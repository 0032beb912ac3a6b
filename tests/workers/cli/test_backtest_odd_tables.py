"""`faultline backtest` over tables as they come from elsewhere: each is scored, or refused in words that help."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from schemas.times import parse_time
from workers.cli.backtesting import Verdict, Verdicts, rows_of

START = "2026-03-02T00:00:00Z"


def _table(rows: int = 6) -> pd.DataFrame:
    times = pd.date_range(START, periods=rows, freq="5min")
    return pd.DataFrame({"timestamp": times, "entity": "db", "queue": range(rows), "label": 0})


def test_all_rows_of_one_entity_and_time_have_the_same_verdict(tmp_path: Path) -> None:
    table = _table(3)
    pd.concat([table, table.iloc[1:]]).to_parquet(tmp_path / "twice.parquet", index=False)
    rows = rows_of([tmp_path / "twice.parquet"])
    verdicts = Verdicts(rows)
    second = {"entity": "db", "window_end": parse_time("2026-03-02T00:05:00Z"), "anomaly_score": 2.0}
    verdicts.put({**second, "severity": "high", "is_anomaly": True, "contributions": []}, "i1", "queue up")
    assert verdicts.column("score") == [0.0, 2.0, 0.0, 2.0, 0.0]
    assert verdicts.column("incident") == [None, "i1", None, "i1", None]
    assert verdicts.summary() == {"rows": 5, "scored": 2, "anomalies": 2, "incidents": 0}
    assert verdicts.found == {1: Verdict(2.0, "high", "i1", "queue up", [])}
