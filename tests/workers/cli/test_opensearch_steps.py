"""Cleaning, combining and features over downloads made by hand: what each keeps, leaves aside and says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from models.features.event import EVENT, event_features
from workers.canonical import from_arrow
from workers.cli.failures import Failure, WrongUse
from workers.cli.opensearch_cleaning import Cleaner
from workers.cli.opensearch_combining import combine, combined_tag
from workers.cli.opensearch_features import make_features, read_features
from workers.cli.opensearch_options import Folders, file_name
from workers.cli.voice import Voice
from workers.settings import load_settings
from workers.sources.opensearch.raw import PartFile, PartPlan, RawIndex

T = 1_700_000_000_000
QUIET = Voice.of(True, False)


def _request(n: int, **fields: Any) -> dict[str, Any]:
    return {"@timestamp": T + n * 1_000, "service": "shop", "latency_ms": 10.0 + n, "status": 200, **fields}


def raw_index(folders: Folders, index: str, documents: list[tuple[str, dict[str, Any]]]) -> None:
    """A download as it would have been left."""
    place = folders.raw / index
    plan = PartPlan(0, 0)
    RawIndex(index, "u", [plan], complete=True, docs=len(documents), counted=len(documents)).save(place)
    part = PartFile.of(place, plan)
    hits = [
        {"_index": index, "_id": name, "_source": source, "sort": [n]} for n, (name, source) in enumerate(documents)
    ]
    part.append(hits)
    part.finish()


def _clean(folders: Folders, index: str, keep: bool = False) -> dict[str, Any]:
    return Cleaner(load_settings({}), "", keep, QUIET).clean(folders.raw / index, folders)


def _aside(folders: Folders, index: str) -> list[dict[str, Any]]:
    with gzip.open(folders.clean / f"{index}_rejected.ndjson.gz") as lines:
        return [json.loads(line) for line in lines]


def test_bad_rows_are_kept_aside_each_with_its_reason_and_the_others_become_events_in_time_order(
    tmp_path: Path,
) -> None:
    folders = Folders(tmp_path)
    good = [(f"g{n}", _request(n)) for n in (5, 3, 4, 0, 1, 2)]
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("b0", _request(7, latency_ms="fast"), "is not a finite number"),
        ("b1", {"@timestamp": T, "message": "whose?"}, "no entity"),
        ("b2", {"service": "shop"}, "no timestamp"),
        ("b3", _request(8, latency_ms=-1.0), "negative"),
        ("b4", _request(9) | {"@timestamp": 4_102_444_800_000}, "a day ahead"),
        ("b5", _request(9) | {"@timestamp": 1_000}, "before 1972"),
    ]
    raw_index(folders, "api", [*good, *((name, document) for name, document, _ in bad)])
    report = _clean(folders, "api")
    assert (report["documents"], report["events"], report["rejected"], report["duplicates"]) == (12, 6, 6, 0)
    events = from_arrow(pq.read_table(folders.cleaned("api")))
    assert events.time.tolist() == [(T + n * 1_000) * 1_000 for n in range(6)]
    assert [events.id.at(row) for row in range(6)] == [f"api/g{n}" for n in range(6)]
    aside = {row["id"]: row for row in _aside(folders, "api")}
    for name, document, reason in bad:
        assert reason in aside[name]["reason"]
        assert aside[name]["document"] == document
    assert any("latency_ms is of several types" in warning for warning in report["warnings"])
    assert report["metrics"]["latency_ms"]["max"] == 15.0
    text = (folders.artifacts / "api_validation.txt").read_text()
    assert "12 documents: 6 events, 6 rejected" in text


def test_of_documents_that_are_there_twice_the_newest_counts_and_equal_ones_count_once(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    documents = [("a", _request(0)), ("b", _request(1)), ("a", _request(0, status=500)), ("c", _request(1))]
    raw_index(folders, "api", documents)
    report = _clean(folders, "api")
    assert (report["events"], report["rejected"], report["duplicates"]) == (2, 0, 2)
    events = from_arrow(pq.read_table(folders.cleaned("api")))
    assert "500" in [events.attr_value.at(row) for row in range(len(events.attr_row))]
    assert _clean(folders, "api", keep=True)["events"] == 3


def test_where_no_document_is_an_event_the_most_frequent_reason_is_told(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    raw_index(folders, "odd", [(str(n), {"text": n}) for n in range(3)])
    with pytest.raises(Failure, match="no timestamp"):
        _clean(folders, "odd")
    assert len(_aside(folders, "odd")) == 3
    assert not folders.cleaned("odd").exists()


def test_data_sets_are_combined_in_time_order_each_document_once_and_named_by_what_went_in(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    raw_index(folders, "even", [(str(n), _request(n)) for n in range(0, 10, 2)])
    raw_index(folders, "odd", [(str(n), _request(n)) for n in range(1, 10, 2)])
    for index in ("even", "odd"):
        _clean(folders, index)
    (folders.clean / "again_cleaned.parquet").write_bytes(folders.cleaned("odd").read_bytes())
    found = combine(["even", "odd", "again"], folders, QUIET)
    assert found["dataset"] == "combined_even_odd_again"
    assert found["events"] == 10
    assert len({part["sha256"] for part in found["contents"]}) == 2
    events = from_arrow(pq.read_table(folders.cleaned("combined_even_odd_again")))
    assert events.time.tolist() == [(T + n * 1_000) * 1_000 for n in range(10)]
    with pytest.raises(WrongUse, match="two data sets"):
        combine(["even", "even"], folders, QUIET)
    with pytest.raises(WrongUse, match="faultline opensearch clean"):
        combine(["even", "missing"], folders, QUIET)


def test_the_name_of_many_data_sets_stays_short_and_their_own() -> None:
    many = [f"events-202510{day:02d}" for day in range(1, 31)]
    assert len(combined_tag(many)) < 130
    assert combined_tag(many) != combined_tag([*many[:-1], "another"])
    assert file_name("a/b:c *") == "a-b-c"


def test_features_are_those_that_workers_make_and_each_row_names_its_document(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    levels = ["INFO", "warning", "FATAL", "loud"]
    documents = [_request(n // 2, level=levels[n % 4], status=[200, 404, 503][n % 3], number=n) for n in range(40)]
    raw_index(folders, "api", [(f"d{n}", document) for n, document in enumerate(documents)])
    _clean(folders, "api")
    made = make_features(folders.cleaned("api"), "api", folders, load_settings({}), QUIET)
    table = read_features(made.features)
    pd.testing.assert_frame_equal(table, read_features(made.features.with_suffix(".csv")), check_exact=False)
    times = np.array([(T + n // 2 * 1_000) * 1_000 for n in range(40)], np.int64)
    latency = np.array([document["latency_ms"] for document in documents])
    level = np.array([[0.0, 1.0, 3.0, np.nan][n % 4] for n in range(40)])
    status = np.array([[200.0, 404.0, 503.0][n % 3] for n in range(40)])
    wanted = event_features(times, latency, level, status, np.zeros(40, np.bool_))
    np.testing.assert_array_equal(table[list(EVENT.names)].to_numpy(), wanted)
    metadata = pd.read_csv(made.metadata)
    assert metadata["id"].tolist() == [f"api/d{n}" for n in range(40)]
    assert metadata["sequence"].tolist() == [0, 1] * 20
    encoders = json.loads((folders.artifacts / "api_encoders.json").read_text())
    assert encoders["encoders"]["level"]["codes"]["fatal"] == 3
    assert encoders["encoders"]["level"]["unknown"] is None
