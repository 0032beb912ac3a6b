"""DATA that cannot be used, and places that cannot be written to: told with the reason, and before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workers.cli.backtest import backtest
from workers.cli.evaluate import evaluate
from workers.cli.failures import Failure, WrongUse
from workers.cli.learning_data import open_tape
from workers.cli.source import replay
from workers.cli.voice import Voice

USES: dict[str, Callable[[Path], object]] = {
    "train, score, drift": lambda data: open_tape([data], Voice.of(True, False)),
    "backtest": lambda data: backtest([data], data.parent / "out.parquet", quiet=True),
    "evaluate": lambda data: evaluate(data, [data], quiet=True),
    "replay": lambda data: replay([data], quiet=True),
}

WRONG = {
    "nothing.csv": ("", "Empty CSV file"),
    "names.csv": ("time,who,latency_ms\n1,a,2\n", "no column timestamp and no entity"),
    "times.csv": ("timestamp,entity,latency_ms\nsoon,a,2\n", "the column timestamp holds no times"),
    "text.ndjson": ("hello\n", "the first line is not JSON"),
    "garbage.parquet": ("garbage", "Parquet file size is 7 bytes"),
    "table.xlsx": ("PK", "known endings: .parquet"),
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_told_even_to_those_who_want_quiet(use: str, name: str, tmp_path: Path) -> None:
    content, reason = WRONG[name]
    data = tmp_path / name
    data.write_text(content)
    with pytest.raises(WrongUse, match="as Parquet, CSV or NDJSON") as told:
        USES[use](data)
    assert f"{data}: " in str(told.value)
    assert reason in str(told.value)


@pytest.mark.parametrize(
    ("out", "kind", "said"),
    [
        ("folder", WrongUse, "must be one of .parquet .pq"),
        ("table.csv/out.parquet", Failure, "out.parquet cannot be written: "),
        ("folder.parquet", WrongUse, "folder.parquet is a folder"),
    ],
)
def test_where_a_backtest_cannot_write_to_it_does_not_begin(
    out: str, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.parquet").mkdir()
    data = tmp_path / "table.csv"
    data.write_text("timestamp,entity,latency_ms\n2026-01-01T00:00:00Z,a,2\n")
    with pytest.raises(kind, match=said):
        backtest([data], tmp_path / out, quiet=True)
