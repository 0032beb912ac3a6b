"""Episodes in lines of JSON: entities are the texts that were written, times are read as everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from workers.cli.failures import WrongUse
from workers.cli.judged_data import covered

NOON = 1_772_366_400
MINUTE = 60


def rows(entity: str) -> pd.DataFrame:
    """One a minute from noon on, for ten minutes."""
    times = (NOON + MINUTE * np.arange(10)) * 1_000_000
    return pd.DataFrame({"entity": [entity] * len(times), "time": times})


def labels(path: Path, entity: str, start: object, end: object) -> list[int]:
    path.write_bytes(orjson.dumps({"entity": entity, "start": start, "end": end, "kind": "x"}) + b"\n\n")
    return np.flatnonzero(covered(rows(entity), [path])).tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("entity", ["shop", "007", "2026-03-01", "1e5"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-03-01T12:02:30Z", "2026-03-01T12:04:30Z"),
        ("2026-03-01T12:02:30.000000Z", "2026-03-01T13:04:30+01:00"),
        ((NOON + 150) * 1000, (NOON + 270) * 1000),
        ((NOON + 150) * 1000.0, (NOON + 270) * 1000.0),
    ],
)
def test_an_episode_covers_its_rows_in_whichever_form_its_times_are(
    tmp_path: Path, entity: str, start: object, end: object
) -> None:
    assert labels(tmp_path / "a.truth.ndjson", entity, start, end) == [3, 4]


@pytest.mark.parametrize(
    "text", ['{"entity": "a", "start": 1}', "[1]", "7", "{", '{"entity": "a", "start": {}, "end": 1}']
)
def test_what_is_no_truth_is_told_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.truth.ndjson"
    path.write_text(text + "\n")
    with pytest.raises(WrongUse, match=r"a\.truth\.ndjson: no truth with entity, start and end"):
        covered(rows("a"), [path])


def test_a_file_without_a_line_has_no_episode(tmp_path: Path) -> None:
    path = tmp_path / "a.truth.ndjson"
    path.write_text("\n")
    assert not covered(rows("a"), [path]).any()
