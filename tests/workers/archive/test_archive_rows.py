"""Scores and events in the archive: what comes out is what went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.events import decode_events, encode_events, events_to_dicts
from schemas.records import decode, encode
from tests.support.archives import START
from workers.archive.blocks import Block
from workers.archive.files import EVENTS, KINDS, SCORES, VECTORS, File, Folder, Log
from workers.archive.parquet import write
from workers.archive.rows import Places, Rows, rows_of
from workers.archive.schema import FILE_SCHEMAS
from workers.canonical import from_arrow, is_canonical
from workers.cli.incident_replay import score_of

SCORE = {
    **score_of("a", START, START - 1, 2.5, "high", ()),
    "expected": [{"metric": "p99", "actual": float("nan"), "low": 0.5, "high": -0.0}],
    "contributions": [{"metric": "p99", "feature": "p99_5m", "share": 1.0, "direction": "up"}],
    "note": "…",
}
PLAIN = (
    b'{"timestamp":"2026-03-01T12:00:00Z","entity":"a","kind":"api","attributes":{"x":"1","y":""},"metrics":{"m":1}}'
)
RICH = (
    b'{"id":"7","timestamp":"2026-03-01T12:00:01Z","entity":"b","kind":"metric","source":"s","metrics":{"c":{"value":2,'
    b'"type":"counter"}},"distributions":[{"name":"d","bounds":[1.5],"counts":[3,4]}],"weight":2.5}'
)


def through(kind: str, values: list[bytes | None]) -> tuple[Rows, list[int]]:
    places = Places(4, np.arange(len(values)) + 100, np.full(len(values), START))
    rows, faults = rows_of(kind, values, places, None)
    return Block.parse(Block.of(kind, "t", 4, rows).output()).content, [fault.record for fault in faults]


def test_scores_are_the_records_with_their_places() -> None:
    quiet: dict[str, Any] = {**SCORE, "severity": None, "anomaly_score": 0.1, "is_anomaly": False, "expected": []}
    rows, faults = through(SCORES, [*encode("Score", [SCORE]), b"{", *encode("Score", [quiet])])
    assert faults == [1]
    found = rows.table.to_pylist()
    assert [row["offset"] for row in found] == [100, 102]
    for row, score in zip(found, [SCORE, quiet], strict=True):
        (expected,) = (one for one in decode("Score", encode("Score", [score]))[0] if one is not None)
        times = {name: round(row[name].timestamp() * 1e6) for name in ("window_start", "window_end")}
        assert repr({**row, **times} | {"partition": 4}) == repr(
            {name: expected.get(name, {**row, **times}[name]) for name in row}
        )


def test_events_are_canonical_files_that_can_be_replayed(tmp_path: Path) -> None:
    rows, faults = through(EVENTS, [PLAIN, b"no", RICH])
    assert faults == [1]
    file = File(Folder(EVENTS, "", "2026-03-01"), Log("t", 4), 100, 102)
    write(rows, file, tmp_path / "events.parquet")
    table = pq.read_table(tmp_path / "events.parquet")
    assert is_canonical(table.schema)
    expected = events_to_dicts(decode_events([PLAIN, RICH])[0])
    assert events_to_dicts(from_arrow(table)) == expected
    assert encode_events(from_arrow(table)) == encode_events(decode_events([PLAIN, RICH])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_where_its_rows_lay(kind: str) -> None:
    assert FILE_SCHEMAS[kind].names[-3:] == ["partition", "offset", "appended_at"]
    assert "profile" not in FILE_SCHEMAS[kind].names


def test_nothing_readable_gives_no_rows() -> None:
    for kind in KINDS:
        rows, faults = rows_of(kind, [b"x", None], Places(0, np.arange(2), np.arange(2)), None)
        assert len(rows) == 0
        assert len(faults) == 2
    assert len(rows_of(VECTORS, [], Places(0, np.arange(0), np.arange(0)), None)[0]) == 0
