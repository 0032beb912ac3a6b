"""Files played again: every row once, in time order, whatever the format, order and number of files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import Events, Strings
from schemas.events import events_to_dicts
from schemas.times import format_time
from workers.sources.columns import concat, metric_events
from workers.sources.replay import merge as merging
from workers.sources.replay.files import Reading
from workers.sources.replay.merge import merge, sorted_runs
from workers.sources.replay.play import Tape, find_files, load_tape, playing
from workers.sources.save import EventsFile, save_truth, truth_path
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import Plan
from workers.sources.synthetic.truth import schedule


def _play(tape: Tape, moved: int = 0) -> list[dict[str, Any]]:
    """The events in the order in which they are given, times as text."""
    with playing(tape, moved) as blocks:
        events = [event for block in blocks for event in events_to_dicts(block)]
    return [{**event, "timestamp": format_time(event["timestamp"])} for event in events]


def _table(entity: str, start: str, rows: int, step: str = "1min") -> pd.DataFrame:
    times = pd.date_range(start, periods=rows, freq=step, tz="UTC")
    return pd.DataFrame(
        {
            "timestamp": times,
            "entity": entity,
            "cpu": np.arange(rows, dtype=float),
            "queue": np.arange(rows),
            "label": 1,
            "split": ["train"] * (rows // 2) + ["test"] * (rows - rows // 2),
        }
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz", ".ndjson", ".ndjson.gz"])
def test_a_table_of_any_format_becomes_metric_events(tmp_path: Path, suffix: str) -> None:
    table = _table("web", "2024-01-01", 5)
    table.loc[2, "cpu"] = np.nan
    _write(table, tmp_path / f"web{suffix}")
    events = _play(load_tape([tmp_path], Reading()))
    assert [event["timestamp"] for event in events] == [f"2024-01-01T00:0{minute}:00.000000Z" for minute in range(5)]
    assert events[1] == {
        "timestamp": "2024-01-01T00:01:00.000000Z",
        "entity": "web",
        "kind": "metric",
        "source": "replay",
        "attributes": {},
        "metrics": {"cpu": 1.0, "queue": 1.0},
    }
    assert events[2]["metrics"] == {"queue": 2.0}


def _write(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif ".csv" in path.suffixes:
        table.to_csv(path, index=False)
    else:
        text = "".join(
            orjson.dumps({k: (v.isoformat() if k == "timestamp" else v) for k, v in row.items() if v == v}).decode()
            + "\n"
            for row in table.to_dict("records")
        )
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def test_the_kind_is_the_one_asked_for(tmp_path: Path) -> None:
    _table("h", "2024-01-01", 2).to_parquet(tmp_path / "h.parquet")
    assert {event["kind"] for event in _play(load_tape([tmp_path], Reading(kind="host")))} == {"host"}


def test_only_rows_of_the_split_asked_for_are_played(tmp_path: Path) -> None:
    _table("h", "2024-01-01", 10).to_parquet(tmp_path / "h.parquet")
    events = _play(load_tape([tmp_path], Reading(split="test")))
    assert [event["metrics"]["cpu"] for event in events] == [5.0, 6.0, 7.0, 8.0, 9.0]


def test_files_are_merged_in_time_order(tmp_path: Path) -> None:
    _table("a", "2024-01-01T00:00", 40, "7min").to_parquet(tmp_path / "a.parquet")
    _table("b", "2024-01-01T01:00", 40, "3min").to_csv(tmp_path / "b.csv", index=False)
    events = _play(load_tape([tmp_path], Reading()))
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert [event["entity"] for event in events].count("a") == [event["entity"] for event in events].count("b") == 40


def test_a_file_of_several_series_one_after_another_is_put_in_time_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "RUN", 30)  # several runs on disk
    parts = [_table(name, "2024-01-01", 50) for name in ("x", "y", "z")]
    pd.concat(parts).to_parquet(tmp_path / "all.parquet")
    tape = load_tape([tmp_path], Reading())
    assert not next(iter(tape.files.values())).ordered
    events = _play(tape)
    times = [event["timestamp"] for event in events]
    assert len(events) == 150
    assert times == sorted(times)


def test_files_without_time_or_entity_are_skipped_with_a_word(tmp_path: Path) -> None:
    _table("a", "2024-01-01", 3).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"entity": ["a"], "start": [1]}).to_parquet(tmp_path / "events.parquet")
    pd.DataFrame({"row": ["a"], "column": ["b"]}).to_csv(tmp_path / "graph.csv", index=False)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but not really")
    (tmp_path / "notes.txt").write_text("not data")
    tape = load_tape([tmp_path], Reading())
    assert [path.name for path in tape.files] == ["a.parquet"]
    reasons = {path.name: reason for path, reason in tape.skipped.items()}
    assert reasons["events.parquet"] == "no column timestamp"
    assert reasons["graph.csv"] == "no column timestamp and no entity"
    assert "cannot be read" in reasons["broken.parquet"]
    assert "notes.txt" not in reasons


def test_text_columns_are_left_out_and_named(tmp_path: Path) -> None:
    table = _table("a", "2024-01-01", 3)
    table["region"] = "north"
    table.to_csv(tmp_path / "a.csv", index=False)
    tape = load_tape([tmp_path], Reading())
    assert tape.oddities.left_out == {"region"}
    assert set(_play(tape)[1]["metrics"]) == {"cpu", "queue"}


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1_000), ("us", 1_000_000)])
def test_numeric_times_count_the_unit_asked_for(tmp_path: Path, unit: str, factor: int) -> None:
    times = [1_700_000_000 * factor, 1_700_000_060 * factor]
    pd.DataFrame({"timestamp": times, "entity": "e", "m": [1.0, 2.0]}).to_csv(tmp_path / "e.csv", index=False)
    events = _play(load_tape([tmp_path], Reading(time_unit=unit)))
    assert [event["timestamp"] for event in events] == ["2023-11-14T22:13:20.000000Z", "2023-11-14T22:14:20.000000Z"]


def test_seconds_read_as_milliseconds_are_refused_with_the_way_out(tmp_path: Path) -> None:
    pd.DataFrame({"timestamp": [1_700_000_000], "entity": "e", "m": [1.0]}).to_csv(tmp_path / "e.csv", index=False)
    tape = load_tape([tmp_path], Reading())
    assert "--time-unit" in next(iter(tape.skipped.values()))


def test_times_without_a_zone_are_utc(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("timestamp,entity,m\n2024-03-01 12:00:00,e,1\n2024-03-01 12:00:01,e,2\n")
    assert _play(load_tape([tmp_path], Reading()))[0]["timestamp"] == "2024-03-01T12:00:00.000000Z"


def test_times_with_an_offset_become_utc(tmp_path: Path) -> None:
    (tmp_path / "e.ndjson").write_text('{"timestamp":"2024-03-01T12:00:00+02:00","entity":"e","m":1}\n')
    assert _play(load_tape([tmp_path], Reading()))[0]["timestamp"] == "2024-03-01T10:00:00.000000Z"


def test_shifting_moves_every_event_by_the_same_time(tmp_path: Path) -> None:
    _table("a", "2024-01-01", 3).to_parquet(tmp_path / "a.parquet")
    tape = load_tape([tmp_path], Reading())
    moved = _play(tape, 3_600_000_000)
    assert [event["timestamp"] for event in moved] == [f"2024-01-01T01:0{minute}:00.000000Z" for minute in range(3)]


def test_a_tape_knows_its_rows_span_and_cadence(tmp_path: Path) -> None:
    _table("a", "2024-01-01T00:00", 10, "5min").to_parquet(tmp_path / "a.parquet")
    _table("b", "2024-01-01T06:00", 10, "1h").to_parquet(tmp_path / "b.parquet")
    tape = load_tape([tmp_path], Reading())
    assert tape.rows == 20
    assert np.datetime64(tape.first, "us") == np.datetime64("2024-01-01T00:00")
    assert np.datetime64(tape.last, "us") == np.datetime64("2024-01-01T15:00")
    assert tape.cadence == 300_000_000


@pytest.mark.parametrize("suffix", [".parquet", ".ndjson"])
def test_saved_synthetic_data_is_played_back_as_it_was(tmp_path: Path, suffix: str) -> None:
    truth = schedule(Plan(days=0.05, entities=3, anomaly_rate=0.2, seed=6))
    path = tmp_path / f"data{suffix}"
    with EventsFile(path) as file:
        for block in generate(truth):
            file.write(block)
    save_truth(truth.rows(), path)
    tape = load_tape([path], Reading())
    made = [event for block in generate(truth) for event in events_to_dicts(block)]
    assert _play(tape) == [{**event, "timestamp": format_time(event["timestamp"])} for event in made]


def test_the_truth_is_saved_beside_and_is_not_played(tmp_path: Path) -> None:
    truth = schedule(Plan(days=0.5, entities=2, seed=6))
    path = tmp_path / "day.parquet"
    with EventsFile(path) as file:
        for block in generate(truth):
            file.write(block)
    assert save_truth(truth.rows(), path) == truth_path(path) == tmp_path / "day.truth.parquet"
    saved = pd.read_parquet(truth_path(path))
    assert saved["kind"].tolist() == [row["kind"] for row in truth.rows()]
    assert [pd.Timestamp(start, unit="us", tz="UTC") for start in truth.start.tolist()] == saved["start"].tolist()
    assert truth_path(path) in load_tape([tmp_path], Reading()).skipped


def test_bad_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "e.ndjson").write_text(
        '{"timestamp":"2024-03-01T12:00:00Z","entity":"e","m":1}\nnot json\n[1]\n'
        '{"timestamp":"2024-03-01T12:00:01Z","entity":"e","m":2}\n'
    )
    tape = load_tape([tmp_path], Reading())
    assert tape.oddities.bad_lines == 2
    assert "line 2" in tape.oddities.first
    assert len(_play(tape)) == 2


def test_named_files_are_taken_whatever_their_folder_holds(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files([tmp_path])] == ["a.parquet", "b.csv"]
    assert find_files([tmp_path / "b.csv", tmp_path]) == [tmp_path / "b.csv", tmp_path / "a.parquet"]


def _stream(times: list[int], cuts: list[int]) -> list[Events]:
    """Events at the given times, in blocks cut at the given places."""
    whole = np.array(times, np.int64)
    blocks = np.split(whole, sorted(cut for cut in cuts if cut <= len(whole)))
    return [
        metric_events(t, Strings(np.zeros(len(t), np.int32), ("e",)), "metric", "t", ["m"], np.ones((len(t), 1)))
        for t in blocks
    ]


streams = st.tuples(st.lists(st.integers(0, 50), max_size=30), st.lists(st.integers(0, 30), max_size=4))


@given(st.lists(streams, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_merge_is_a_stable_sort_of_everything(given_streams: list[tuple[list[int], list[int]]]) -> None:
    runs = [_stream(sorted(times), cuts) for times, cuts in given_streams]
    merged = [int(time) for block in merge([lambda run=run: iter(run) for run in runs]) for time in block.time]  # type: ignore[misc]
    assert merged == sorted(time for times, _ in given_streams for time in times)


@given(streams)
@settings(max_examples=50, deadline=None)
def test_runs_on_disk_hold_everything_in_order(
    tmp_path_factory: pytest.TempPathFactory, given_stream: tuple[list[int], list[int]]
) -> None:
    times, cuts = given_stream
    runs = sorted_runs(iter(_stream(times, cuts)), tmp_path_factory.mktemp("runs"), "r")
    blocks = [block for block in merge(runs) if len(block)]
    assert (concat(blocks).time.tolist() if blocks else []) == sorted(times)
