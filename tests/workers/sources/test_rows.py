"""One table in every form that it may have: every reader finds the same rows, with the same labels and splits."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from workers.cli.backtesting import rows_of
from workers.cli.judged_data import read_data
from workers.sources.replay.files import Reading
from workers.sources.replay.forms import SUFFIXES
from workers.sources.replay.lines import Oddities
from workers.sources.replay.play import load_tape, playing
from workers.sources.replay.rows import read_rows
from workers.sources.replay.tables import metric_columns

START = 1_772_323_200_000


@pytest.fixture
def rows() -> pd.DataFrame:
    """Names that look like numbers are names; one row has no label."""
    count = 12
    return pd.DataFrame(
        {
            "timestamp": [START + n // 2 * 60_000 for n in range(count)],
            "entity": ["007", "b"] * (count // 2),
            "latency_ms": [float(n) / 2 for n in range(count)],
            "label": pd.array([None, *([0, 1] * count)][:count], dtype="Int64"),
            "split": ["train"] * 4 + ["test"] * (count - 4),
        }
    )


def written(rows: pd.DataFrame, path: Path) -> Path:
    if path.name.endswith((".parquet", ".pq")):
        rows.to_parquet(path, index=False)
        return path
    text = rows.to_csv(index=False) if ".csv" in path.name else rows.to_json(orient="records", lines=True)
    (gzip.open if path.name.endswith(".gz") else open)(path, "wb").write(text.encode())
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_form_has_the_same_rows_for_every_reader(suffix: str, rows: pd.DataFrame, tmp_path: Path) -> None:
    path = written(rows, tmp_path / f"table{suffix}")

    table = read_rows(path)
    assert table.column_names == list(rows.columns)
    assert table.column("entity").to_pylist() == rows["entity"].tolist()
    assert read_rows(path, ("label", "nothing")).column_names == ["label"]

    scored = rows_of([path])
    test = rows[rows["split"] == "test"]
    assert (scored.entity, scored.time) == (test["entity"].tolist(), (test["timestamp"] * 1_000).tolist())
    assert scored.has_train

    judged = read_data([path]).rows
    assert judged["entity"].tolist() == rows["entity"].tolist()
    assert judged["label"].fillna(-1).tolist() == rows["label"].fillna(-1).tolist()
    assert judged["split"].tolist() == rows["split"].tolist()

    tape = load_tape([path], Reading(split="test"))
    with playing(tape) as blocks:
        played = [
            (int(time), block.entity.values[code])
            for block in blocks
            for time, code in zip(block.time.tolist(), block.entity.codes.tolist(), strict=True)
        ]
    assert sorted(played) == sorted(zip(scored.time, scored.entity, strict=True))


def test_lines_that_are_no_rows_are_left_out_and_counted_and_shift_no_others(tmp_path: Path) -> None:
    path = tmp_path / "table.ndjson"
    path.write_text('{"timestamp": 1772323200000, "entity": "a", "m": 1}\n\n[1]\n{"timestamp\n{"entity": "b"}\n')
    oddities = Oddities()
    assert read_rows(path, oddities=oddities).column("entity").to_pylist() == ["a", "b"]
    assert oddities.bad_lines == 2
    assert oddities.first == f"{path}, line 3: not an object"


def _metrics(path: Path) -> set[str]:
    with playing(load_tape([path], Reading())) as blocks:
        return {name for block in blocks for name in block.metric_name.values}


def test_the_index_of_pandas_is_no_metric_in_any_form(rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.to_csv(tmp_path / "unnamed.csv")
    pd.read_csv(tmp_path / "unnamed.csv").to_csv(tmp_path / "again.csv", index=False)
    rows.iloc[::-1].to_parquet(tmp_path / "level.parquet")
    rows.rename_axis("row").iloc[::-1].to_parquet(tmp_path / "named.parquet")
    rows.set_index("timestamp").to_parquet(tmp_path / "timed.parquet")
    for path in sorted(tmp_path.iterdir()):
        assert _metrics(path) == {"latency_ms"}, path.name


@pytest.mark.parametrize("said", [b"{", b"[]", b'{"index_columns": 7}', b'{"index_columns": [[]]}'])
def test_what_is_no_description_of_pandas_hides_no_metric(said: bytes, rows: pd.DataFrame) -> None:
    schema = pa.Table.from_pandas(rows, preserve_index=False).schema.with_metadata({b"pandas": said})
    assert metric_columns(schema) == ["latency_ms"]
