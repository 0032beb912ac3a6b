"""`faultline backtest` over tables as they come from elsewhere: each is scored, or refused in words that help."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from schemas.times import parse_time
from workers.cli.backtest import backtest
from workers.cli.backtesting import Verdict, Verdicts, rows_of
from workers.cli.failures import WrongUse
from workers.cli.judged_data import read_data
from workers.cli.learning_data import open_tape
from workers.cli.voice import Voice
from workers.sources.replay.files import Reading
from workers.sources.replay.play import load_tape

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


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([1_772_323_200 + 300 * n for n in range(6)], "times before 1972 when read as milliseconds"),
        (["yesterday"] * 6, "the column timestamp holds no times"),
    ],
)
def test_times_that_cannot_be_read_are_told_of_in_a_sentence(
    times: list[int] | list[str], said: str, tmp_path: Path
) -> None:
    table = _table()
    table["timestamp"] = pd.Series(times)
    table.to_parquet(tmp_path / "times.parquet", index=False)
    with pytest.raises(WrongUse, match=said):
        backtest([tmp_path / "times.parquet"], tmp_path / "out.parquet", quiet=True)


def test_rows_with_more_metrics_than_an_event_holds_are_told_of_with_the_limit(tmp_path: Path) -> None:
    wide = pd.DataFrame({f"m{n}": float(n) for n in range(257)}, index=range(6))
    pd.concat([_table(), wide], axis=1).drop(columns="queue").to_parquet(tmp_path / "wide.parquet", index=False)
    with pytest.raises(WrongUse, match="a row has 257 metrics, and an event has room for 256"):
        backtest([tmp_path / "wide.parquet"], tmp_path / "out.parquet", quiet=True)


def test_wide_tables_are_played_where_no_row_fills_more_than_an_event_holds(tmp_path: Path) -> None:
    wide = pd.DataFrame({f"m{n}": float(n) for n in range(300)}, index=range(6))
    wide.loc[:2, :"m149"] = math.nan
    wide.loc[3:, "m150":] = math.nan
    pd.concat([_table(), wide], axis=1).to_parquet(tmp_path / "wide.parquet", index=False)
    assert load_tape([tmp_path / "wide.parquet"], Reading()).rows == 6


@pytest.mark.parametrize("words", [("0", "1"), ("false", "true"), ("False", "TRUE"), (False, True), (0.0, 1.0)])
def test_labels_may_be_numbers_or_truth_values_or_texts_of_them(words: tuple[object, object], tmp_path: Path) -> None:
    table = _table()
    table["label"] = pd.Series([words[0], words[1], None, *[words[0]] * 3], dtype=object)
    table.to_parquet(tmp_path / "labels.parquet", index=False)
    assert read_data([tmp_path / "labels.parquet"]).rows["label"].fillna(-1).tolist() == [0, 1, -1, 0, 0, 0]


def test_labels_in_words_are_refused_by_the_column_and_what_it_may_hold(tmp_path: Path) -> None:
    table = _table()
    table["label"] = ["normal"] * 5 + ["anomaly"]
    table.to_parquet(tmp_path / "labels.parquet", index=False)
    with pytest.raises(WrongUse, match=r"labels\.parquet: the column label holds 0, 1, true, .* not 'normal'"):
        read_data([tmp_path / "labels.parquet"])


def test_columns_of_texts_are_said_to_be_no_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = _table()
    table["size"] = table["queue"].astype(str)
    table.to_parquet(tmp_path / "texts.parquet", index=False)
    open_tape([tmp_path / "texts.parquet"], Voice.of(quiet=False, as_json=True))
    assert (
        "columns that are not numbers are no metrics (numbers written as text neither): size" in capsys.readouterr().err
    )
