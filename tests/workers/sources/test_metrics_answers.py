"""What answers of a metrics server mean, how they become slices, tables, and words about what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from workers.sources.replay.files import Reading
from workers.sources.replay.play import load_tape
from workers.sources.victoriametrics.answers import judge, read_answer, series_of
from workers.sources.victoriametrics.errors import Away, Refused, SourceError, TooMuch
from workers.sources.victoriametrics.quality import Quality
from workers.sources.victoriametrics.slices import Slice, aligned, spans
from workers.sources.victoriametrics.tables import Tables, file_name

NAN = float("nan")


def error(text: str) -> bytes:
    return orjson.dumps({"status": "error", "errorType": "x", "error": text})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, error("too many points for the given step=60000, start=1 and end=2: 1000001; cannot exceed"), TooMuch),
        (400, error("exceeded maximum resolution of 11,000 points per timeseries."), TooMuch),
        (422, error("query processing would load too many samples into memory in query execution"), TooMuch),
        (503, error("query timed out in expression evaluation"), TooMuch),
        (400, error('invalid parameter "query": 1:5: parse error: unclosed left parenthesis'), Refused),
        (422, error("error when executing query: unexpected token"), Refused),
        (401, b"nope", Refused),
        (403, b"", Refused),
        (404, b"404 page not found", Refused),
        (302, b"", Refused),
        (500, b"oops", Away),
        (502, b"<html>", Away),
        (503, b"", Away),
        (408, b"", Away),
    ],
)
def test_every_status_has_one_consequence(status: int, body: bytes, kind: type[SourceError]) -> None:
    assert type(judge(status, body, "", 0.0)) is kind


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_taken_at_its_word(status: int) -> None:
    told = judge(status, b"", "7", 0.0)
    assert isinstance(told, Away)
    assert told.wait == 7.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("Thu, 01 Jan 1970 00:01:40 GMT", 40.0), ("99999999", 300.0), ("soon", 1.0), ("", 1.0), ("-5", 1.0)],
)
def test_a_time_to_wait_is_bounded_whatever_it_says(said: str, seconds: float) -> None:
    told = judge(429, b"", said, 60.0)
    assert isinstance(told, Away)
    assert told.wait == seconds


def test_no_address_of_the_servers_words_is_passed_on() -> None:
    told = judge(500, error("cannot reach http://user:secret@storage-1/write?token=secret"), "", 0.0)
    assert "secret" not in str(told)


def test_a_part_of_an_answer_is_no_answer() -> None:
    with pytest.raises(Away, match="only a part"):
        read_answer(b'{"status":"success","isPartial":true,"data":{}}', [])


def test_warnings_are_handed_on() -> None:
    warned: list[str] = []
    read_answer(b'{"status":"success","data":[],"warnings":["a store is away"]}', warned)
    assert warned == ["a store is away"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"1", b"", b'{"data":1}'])
def test_what_is_not_the_api_is_told_as_such(body: bytes) -> None:
    with pytest.raises(Refused, match="Is the address right"):
        read_answer(body, [])


def test_series_have_their_numbers_whatever_way_they_are_written() -> None:
    values = [[1.5, "1"], [2, "NaN"], [3, "+Inf"], [4, "-1e3"]]
    [series] = series_of({"resultType": "matrix", "result": [{"metric": {"job": "a"}, "values": values}]})
    assert series.time.tolist() == [1_500_000, 2_000_000, 3_000_000, 4_000_000]
    np.testing.assert_array_equal(series.value, [1.0, NAN, np.inf, -1000.0])


@pytest.mark.parametrize(
    "data", [None, {}, {"resultType": "scalar", "result": [1, "1"]}, {"resultType": "matrix", "result": 3}]
)
def test_results_that_are_no_series_are_refused(data: object) -> None:
    with pytest.raises(Refused):
        series_of(data)


def test_spans_cover_every_step_once() -> None:
    assert aligned(1234.9, 60) == 1200
    assert list(spans(0, 300, 60, 2)) == [(0, 60), (120, 180), (240, 300)]
    assert list(spans(60, 0, 60, 2)) == []


def part(times: list[int], services: list[str], values: list[list[list[float]]]) -> Slice:
    return Slice(np.array(times), services, ["rate", "errors"], np.array(values))


def test_a_slice_gives_one_event_for_each_service_that_has_a_value_in_time_order() -> None:
    events = part([0, 60], ["a", "b"], [[[1.0, NAN], [NAN, NAN]], [[2.0, 0.5], [3.0, NAN]]]).events("vm")
    assert events.time.tolist() == [0, 60_000_000, 60_000_000]
    assert [events.entity.values[code] for code in events.entity.codes] == ["a", "a", "b"]
    assert events.metric_value.tolist() == [1.0, 2.0, 0.5, 3.0]
    assert events.metric_row.tolist() == [0, 1, 1, 2]


def test_tables_are_read_as_they_are_by_what_trains(tmp_path: Path) -> None:
    with Tables(tmp_path / "out", ["rate", "errors"]) as tables:
        tables.write(part([60, 120], ["a", "../b"], [[[1.0, NAN], [5.0, 0.0]], [[2.0, 0.5], [NAN, NAN]]]))
        tables.write(part([180], ["a"], [[[3.0, 0.25]]]))
    assert [path.name for path in tables.files] == ["%2E%2E%2Fb.parquet", "a.parquet"]
    table = pq.read_table(tmp_path / "out" / "a.parquet")
    assert table.column("rate").to_pylist() == [1.0, 2.0, 3.0]
    assert table.column("errors").to_pylist() == [None, 0.5, 0.25]
    tape = load_tape([tmp_path / "out"], Reading())
    assert (tape.rows, tape.skipped) == (4, {})


def test_a_table_that_was_cut_short_is_not_there(tmp_path: Path) -> None:
    out = tmp_path / "all.parquet"
    tables = Tables(out, ["rate", "errors"])
    tables.write(part([60], ["a"], [[[1.0, NAN]]]))
    tables.__exit__(RuntimeError, RuntimeError(), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("service", ["../../etc/passwd", ".hidden", "a/b", "ü" * 500, "ü b", ".."])
def test_a_file_stays_in_its_folder_whatever_a_service_is_called(service: str, tmp_path: Path) -> None:
    path = tmp_path / f"{file_name(service)}.parquet"
    path.write_text("")
    assert path.resolve().parent == tmp_path.resolve()
    assert not path.name.startswith(".")


def test_what_teaches_little_is_told_by_service_and_metric() -> None:
    quality = Quality(60)
    steps = np.arange(600) * 60
    for cut in (slice(0, 250), slice(250, 600)):  # the cut does not matter
        time = steps[cut]
        full = np.sin(time / 500.0)
        holes = np.where((time > 12_000) & (time < 24_000), NAN, full)
        few = np.where(time < 600, full, NAN)
        values = np.stack([np.stack([full, np.zeros(len(time))], 1), np.stack([holes, few], 1)], 1)
        quality.add(Slice(time, ["good", "bad"], ["rate", "errors"], values))
    assert quality.words("good") == ["errors: always 0"]
    assert quality.words("bad") == [
        "rate: 33% of its steps are missing, the longest gap is 3.3 h",
        "errors: only 10 values, 200 are needed",
    ]
    assert quality.usable("good")
    report = quality.report(["rate", "errors", "other"], {"good": "core"})
    services = report["services"]
    assert isinstance(services, dict)
    assert services["good"]["category"] == "core"
    assert services["good"]["metrics"]["other"] == {"values": 0, "problems": ["no value"]}
    assert services["bad"]["metrics"]["rate"]["longest_gap_s"] == 12_000
