"""`faultline evaluate` over files of scores: figures, agreement, what is saved, pictures, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.cli import faultline
from workers.cli.evaluate import evaluate
from workers.cli.failures import Failure, WrongUse

START = pd.Timestamp("2026-03-02T00:00:00Z")
EVENT = range(400, 412)
Judge = Callable[..., Any]


def _table(entity: str = "db", rows: int = 600) -> pd.DataFrame:
    """Five-minute rows, the first 100 to learn from; the metric `queue` jumps in the one event."""
    rng = np.random.default_rng(7)
    label = np.isin(np.arange(rows), EVENT)
    return pd.DataFrame(
        {
            "timestamp": START + pd.to_timedelta(np.arange(rows) * 5, unit="min"),
            "entity": entity,
            "queue": 50 + rng.normal(size=rows) + 40 * label,
            "cpu_ratio": 0.4 + 0.01 * rng.normal(size=rows),
            "label": label.astype(int),
            "split": np.where(np.arange(rows) < 100, "train", "test"),
        }
    )


def _scores(table: pd.DataFrame, flagged: list[int]) -> pd.DataFrame:
    """Scores as `backtest` writes them: 2.0 in these rows of the table, one incident, else 0.1."""
    chosen = np.isin(np.arange(len(table)), flagged).tolist()
    blame = [{"metric": "queue", "share": 0.75, "direction": "up"}, {"metric": "cpu_ratio", "share": 0.25}]
    scores = pd.DataFrame(
        {
            "entity": table["entity"],
            "timestamp": table["timestamp"],
            "anomaly_score": np.where(chosen, 2.0, 0.1),
            "is_anomaly": chosen,
            "severity": ["high" if one else None for one in chosen],
            "incident_id": ["i-1" if one else None for one in chosen],
            "reason": ["queue up" if one else "" for one in chosen],
            "contributions": [blame if one else None for one in chosen],
        }
    )
    return scores[table["split"] == "test"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    place = tmp_path / "db.parquet"
    _table().to_parquet(place)
    return place


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Ten of twelve anomalous rows are flagged, and one other."""
    return _save(tmp_path / "scores.parquet", [200, *range(402, 412)])


def _save(place: Path, flagged: list[int], table: pd.DataFrame | None = None) -> Path:
    _scores(_table() if table is None else table, flagged).to_parquet(place)
    return place


@pytest.fixture
def judge(capsys: pytest.CaptureFixture[str]) -> Judge:
    """The command in this process, its JSON read."""

    def run(scores: Path, *data: Path, **options: Any) -> Any:
        evaluate(scores, list(data), **{"quiet": True, "as_json": True, **_defaults(), **options})
        return json.loads(capsys.readouterr().out)

    return run


def _defaults() -> dict[str, Any]:
    lists: dict[str, Any] = {"require": None, "others": None}
    return lists | {"nab": False, "agree": None, "save": None, "anomalies": None, "pictures": None}


def test_figures_are_told_over_all_and_for_each_entity(tmp_path: Path, judge: Judge, data: Path) -> None:
    both = pd.concat([_table(), _table("web")], ignore_index=True)
    both.to_parquet(data)
    flagged = [200, *range(402, 412), 600 + 300]  # of `web` the event is missed
    report = judge(_save(tmp_path / "scores.parquet", flagged, both), data)
    assert (report["rows"], report["unscored"], report["events"], report["events_found"]) == (1000, 0, 2, 1)
    assert (report["true_positive"], report["false_positive"], report["false_negative"]) == (10, 2, 14)
    assert report["precision"] == pytest.approx(10 / 12)
    assert report["delay_minutes"] == 10.0
    assert report["false_alarms_per_day"] == pytest.approx(2 / (1000 * 5 / 1440))
    one, other = report["entities"]
    assert (one["entity"], one["recall"], one["event_recall"]) == ("db", pytest.approx(10 / 12), 1.0)
    assert (other["entity"], other["recall"], other["precision"], other["delay_minutes"]) == ("web", 0.0, 0.0, None)


def test_the_table_for_people_marks_what_is_required_and_a_miss_is_one_sentence(scores: Path, data: Path) -> None:
    done = faultline(
        *("evaluate", str(scores), str(data)), *("--require", "precision=0.95", "--require", "fpr=0.118"), "--nab"
    )
    assert done.code == 1
    assert "not reached: precision is 0.9091, required ≥ 0.95" in done.err
    assert "fpr" not in done.err
    assert "✗ ≥ 0.95" in done.out
    assert "✓ ≤ 0.118" in done.out
    assert "nab_standard_opened" in done.out


@pytest.mark.parametrize(
    ("required", "said"),
    [("beauty=1", "with a figure of precision, recall"), ("recall=much", "expected"), ("recall=nan", "expected")],
)
def test_a_requirement_that_makes_no_sense_is_refused(scores: Path, data: Path, required: str, said: str) -> None:
    with pytest.raises(WrongUse, match=said):
        evaluate(scores, [data], **{**_defaults(), "require": [required]})


def test_what_is_not_defined_is_not_reached(tmp_path: Path, judge: Judge, data: Path) -> None:
    silent = _save(tmp_path / "silent.parquet", [])
    with pytest.raises(Failure, match=r"precision is not defined, required ≥ 0\.5"):
        judge(silent, data, require=["precision=0.5"])


def test_a_required_score_of_numenta_is_counted(scores: Path, data: Path, judge: Judge) -> None:
    report = judge(scores, data, require=["nab_standard=70", "nab_standard_opened=-6"])
    assert report["met"] == {"nab_standard": True, "nab_standard_opened": True}
    assert report["nab_standard"] == pytest.approx(50 + 50 * _worth(-10 / 12) / _worth(-1.0) - 5.5, abs=1e-6)
    assert report["nab_standard_opened"] == pytest.approx(-5.5)  # the one incident opened on the false alarm


def _worth(position: float) -> float:
    return float(2 / (1 + np.exp(5 * position)) - 1)


def test_rows_to_learn_from_are_not_judged_and_rows_without_a_score_count_as_not_flagged(
    tmp_path: Path, judge: Judge, data: Path
) -> None:
    half = _scores(_table(), [*EVENT])
    half[half["timestamp"] < START + pd.Timedelta(hours=34)].to_parquet(tmp_path / "half.parquet")
    report = judge(tmp_path / "half.parquet", data)
    assert (report["rows"], report["unscored"], report["recall"]) == (500, 192, pytest.approx(8 / 12))


def test_models_agree_where_enough_of_them_flag_a_row(tmp_path: Path, judge: Judge, data: Path) -> None:
    forest = _save(tmp_path / "forest.parquet", [200, 401, 402, 403])
    lof = _save(tmp_path / "lof.parquet", [300, 402, 403])
    svm = _save(tmp_path / "svm.parquet", [403, 404])
    found = tmp_path / "out" / "found.json"
    report = judge(forest, data, others=[lof, svm], anomalies=found)
    assert report["models"] == {
        "agree": 2,
        "flagged": {"forest": 4, "lof": 3, "svm": 2},
        "flagged_by_at_least": {"1": 6, "2": 2, "3": 1},
    }
    assert (report["true_positive"], report["false_positive"]) == (2, 0)
    first, second = json.loads(found.read_text())
    assert (first["agreeing"], second["agreeing"]) == (2, 3)
    assert first["models"]["svm"] == {"anomaly_score": 0.1, "is_anomaly": False}
    row = _table().iloc[402]
    assert first["timestamp"] == "2026-03-03T09:30:00.000000Z"
    assert first["record"]["queue"] == row["queue"]
    assert first["record"]["label"] == 1
    assert judge(forest, data, others=[lof, svm], agree=1)["true_positive"] == 4
    assert judge(forest, data, others=[lof, svm], agree=3)["true_positive"] == 1


def test_predictions_are_saved_with_their_outcome(tmp_path: Path, judge: Judge, scores: Path, data: Path) -> None:
    for name in ("predictions.parquet", "predictions.csv"):
        judge(scores, data, save=tmp_path / name)
    saved = pd.read_parquet(tmp_path / "predictions.parquet")
    assert saved["outcome"].value_counts().to_dict() == {
        "true negative": 487,
        "true positive": 10,
        "false negative": 2,
        "false positive": 1,
    }
    assert list(saved["timestamp"][:2]) == list(_table()["timestamp"][100:102])
    again = pd.read_csv(tmp_path / "predictions.csv")
    assert again["outcome"].tolist() == saved["outcome"].tolist()


def test_anomalies_are_saved_a_line_each(tmp_path: Path, judge: Judge, scores: Path, data: Path) -> None:
    judge(scores, data, anomalies=tmp_path / "found.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "found.ndjson").read_text().splitlines()]
    assert len(lines) == 11
    assert (lines[0]["label"], lines[0]["severity"], lines[0]["reason"]) == (0, "high", "queue up")


def test_without_labels_there_are_no_figures_but_what_was_flagged(tmp_path: Path, judge: Judge, scores: Path) -> None:
    bare = tmp_path / "bare.csv"
    _table().drop(columns=["label"]).to_csv(bare, index=False)
    report = judge(scores, bare, anomalies=tmp_path / "found.json")
    assert (report["rows"], report["flagged"], report["score_max"]) == (500, 11, 2.0)
    assert "precision" not in report
    assert json.loads((tmp_path / "found.json").read_text())[0]["label"] is None
    with pytest.raises(WrongUse, match="no row of DATA has a label"):
        judge(scores, bare, require=["recall=0.5"])


@pytest.mark.filterwarnings("error")
def test_pictures_are_drawn_of_scores_and_metrics(tmp_path: Path, judge: Judge, scores: Path, data: Path) -> None:
    judge(scores, data, pictures=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("confusion_matrix.png", "roc_curve.png", "precision_recall_curve.png", "score_distribution.png"),
        *("feature_importance.png", "timeline.png"),
        *("feature_correlations.png", "normalised_distributions.png", "temporal_patterns.png"),
    }


def _made_up(tmp_path: Path) -> tuple[Path, Path]:
    """Events with one episode of two intervals, and scores of their windows."""
    from schemas.columns import Strings
    from workers.sources.columns import metric_events
    from workers.sources.save import EventsFile, save_truth

    times = START.value // 1000 + np.arange(20, dtype=np.int64) * 300_000_000
    events = metric_events(
        times, Strings(np.zeros(20, np.int32), ["db"]), "metric", "test", ["queue"], np.ones((20, 1))
    )
    place = tmp_path / "day.parquet"
    with EventsFile(place) as file:
        file.write(events)
    save_truth([{"entity": "db", "kind": "latency", "start": int(times[4]), "end": int(times[6])}], place)
    rows = pd.DataFrame({"entity": "db", "timestamp": START + pd.to_timedelta(np.arange(20) * 5, unit="min")})
    rows["is_anomaly"] = rows.index.isin([5, 6, 9])
    rows["anomaly_score"] = np.where(rows["is_anomaly"], 1.5, 0.2)
    rows.to_parquet(tmp_path / "scores.parquet")
    return tmp_path / "scores.parquet", place


def test_windows_of_made_up_events_are_judged_by_the_truth_beside_them(tmp_path: Path, judge: Judge) -> None:
    scores, events = _made_up(tmp_path)
    report = judge(scores, events, anomalies=tmp_path / "found.json")
    assert (report["true_positive"], report["false_positive"], report["false_negative"]) == (2, 1, 0)
    assert json.loads((tmp_path / "found.json").read_text())[0]["record"]["metrics"] == {"queue": 1.0}


def _refused(scores: Path, data: Path, **options: Any) -> str:
    with pytest.raises(WrongUse) as refused:
        evaluate(scores, [data], **{**_defaults(), **options})
    return str(refused.value)


def test_what_cannot_be_used_is_named_with_the_reason(tmp_path: Path, scores: Path, data: Path) -> None:
    nothing = tmp_path / "nothing"
    assert "nothing: no such file or folder" in _refused(scores, nothing)
    assert "nothing: no such file" in _refused(nothing, data)
    assert "no column anomaly_score and no is_anomaly" in _refused(data, data)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    assert "broken.parquet" in _refused(scores, broken)
    assert "broken.parquet" in _refused(broken, data)
    plain = tmp_path / "plain.csv"
    plain.write_text("a,b\n1,2\n")
    assert "no column timestamp and no entity" in _refused(scores, plain)
    _table("web").to_parquet(tmp_path / "web.parquet")
    assert "no score is of a row of DATA" in _refused(scores, tmp_path / "web.parquet")
    infinite = pd.read_parquet(scores).assign(anomaly_score=np.inf)
    infinite.to_parquet(tmp_path / "infinite.parquet")
    assert "scores must be finite" in _refused(tmp_path / "infinite.parquet", data)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"save": Path("p.txt")}, "must be one of .parquet"),
        ({"anomalies": Path("a.csv")}, "must be one of .json"),
        ({"agree": 2}, "--agree needs the scores of other models"),
        ({"agree": 3, "others": "same"}, "there are only 2 models"),
        ({"others": "same"}, "given twice"),
    ],
)
def test_options_that_do_not_fit_are_refused(scores: Path, data: Path, options: dict[str, Any], said: str) -> None:
    if "others" in options:
        options = {**options, "others": [scores]}
    assert said in _refused(scores, data, **options)


def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path, judge: Judge, scores: Path, data: Path) -> None:
    (tmp_path / "file").write_text("")
    for option in ("save", "anomalies", "pictures"):
        place = tmp_path / "file" / {"save": "p.csv", "anomalies": "a.json", "pictures": "out"}[option]
        with pytest.raises(Failure, match="file"):
            judge(scores, data, **{option: place})
