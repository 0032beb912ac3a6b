"""What people said of periods of time, in training: masked rows teach nothing, verdicts arrive as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.ensembles import Ensemble
from models.labels import ANOMALOUS, NORMAL, UNKNOWN
from models.registry import Aliases, Registry
from models.table import VectorTable
from models.train import TrainPolicy
from workers.cli.backtesting import replay, rows_of
from workers.cli.failures import WrongUse
from workers.cli.learning_data import counted, open_tape
from workers.cli.periods import AFTER, NO_PERIODS, Period, Periods, read_periods
from workers.cli.train import Scope, learn, read_tables
from workers.cli.voice import Voice
from workers.settings import load_settings

VOICE = Voice.of(quiet=True, as_json=True)
FIRST = pd.Timestamp("2026-03-02", tz="UTC")
MICROS = int(FIRST.timestamp()) * 1_000_000
MINUTE = 60_000_000
TRAIN = 4 * 288
OUTAGE = slice(300, 876)
"""Two days of training in which the queue stood far too high: more than cleaning leaves out by itself."""


def _samples() -> pd.DataFrame:
    """Five-minute samples; the queue is high for two days of training, and again in the end."""
    rng = np.random.default_rng(1)
    place = np.arange(TRAIN + 288)
    high = np.zeros(len(place), np.bool_)
    high[OUTAGE] = high[TRAIN + 100 : TRAIN + 260] = True
    return pd.DataFrame(
        {
            "timestamp": pd.date_range(FIRST, periods=len(place), freq="5min"),
            "entity": "db",
            "queue": 50 + rng.normal(size=len(place)) + 60 * high,
            "split": np.where(place < TRAIN, "train", "test"),
        }
    )


def _at(sample: int) -> str:
    return (FIRST + pd.Timedelta(minutes=5 * sample)).isoformat()


def _scores(folder: Path, periods: Periods) -> pd.Series:
    """What a model trained on the first days says of the last one."""
    place = folder / "db.parquet"
    _samples().to_parquet(place)
    local = load_settings({"FAULTLINE_REGISTRY__URL": str(folder / "registry")})
    registry = Registry(local.registry.url)
    (table,) = read_tables([place], local, VOICE, "train", periods=periods)
    (trained,) = learn(table, Scope.entity, TrainPolicy(Ensemble.of(("deviation",))), registry, VOICE, local)
    registry.promote("generic", trained.manifest.scope, Aliases(trained.version))
    with counted(open_tape([place], VOICE), VOICE, "scoring") as blocks:
        return pd.Series(replay(blocks, rows_of([place]), local).score)


def test_a_masked_outage_does_not_teach_the_model_that_outages_are_usual(tmp_path: Path) -> None:
    periods = tmp_path / "periods.csv"
    periods.write_text(f"entity,profile,start,end,verdict,label,id\nd*,,{_at(299)},{_at(875)},expected,,x\n")
    taught, masked = (_scores(tmp_path, one) for one in (NO_PERIODS, read_periods(periods)))
    during = slice(120, 260)
    assert (taught[during] >= 1.0).mean() < 0.1, "the test says nothing otherwise"
    assert (masked[during] >= 1.0).all()
    assert (masked[:100] >= 1.0).mean() < 0.03


def _table(entities: tuple[str, ...] = ("pay-1", "pay-2", "web"), minutes: int = 120) -> VectorTable:
    n = len(entities) * minutes
    ends = np.tile(MICROS + MINUTE * np.arange(1, minutes + 1), len(entities)).astype(np.int64)
    codes = np.repeat(np.arange(len(entities), dtype=np.int32), minutes)
    return VectorTable("service", 1, "f", ("x",), entities, codes, ends, np.zeros((n, 1)))


def test_masked_are_the_windows_that_end_in_the_period_or_within_half_an_hour_behind_it() -> None:
    masked = Periods([Period("pay-*", "service", MICROS + 10 * MINUTE, MICROS + 20 * MINUTE, UNKNOWN)])
    left = masked.unmasked(_table())
    for entity in ("pay-1", "pay-2"):
        minutes = (left.of_entity(entity).window_end - MICROS) // MINUTE
        assert minutes.tolist() == [*range(1, 11), *range(20 + AFTER // MINUTE + 1, 121)]
    assert len(left.of_entity("web")) == 120
    assert len(Periods([Period("*", "host", 0, 1 << 60, UNKNOWN)]).unmasked(_table())) == 360


def test_verdicts_label_rows_and_what_is_real_wins() -> None:
    said = Periods(
        [
            Period("web", "", MICROS + 20 * MINUTE, MICROS + 40 * MINUTE, ANOMALOUS),
            Period("web", "", MICROS + 10 * MINUTE, MICROS + 30 * MINUTE, NORMAL),
        ]
    )
    label = said.label(_table()).of_entity("web").label
    assert label is not None
    assert label.tolist() == [UNKNOWN] * 10 + [NORMAL] * 10 + [ANOMALOUS] * 20 + [UNKNOWN] * 80
    assert said.labelled
    assert len(said.unmasked(_table())) == 360


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labels_of_periods_arrive_in_data_that_has_none(tmp_path: Path, ending: str) -> None:
    place, file = tmp_path / "db.parquet", tmp_path / f"periods.{ending}"
    _samples().to_parquet(place)
    rows = [("db", "generic", _at(10), _at(20), 1), ("db", "generic", _at(30), _at(40), 0)]
    frame = pd.DataFrame(rows, columns=["entity", "profile", "start", "end", "label"]).astype({"label": "Int8"})
    frame.to_csv(file) if ending == "csv" else frame.to_parquet(file)
    (table,) = read_tables([place], load_settings({}), VOICE, "", True, read_periods(file))
    assert table.label is not None
    assert np.flatnonzero(table.label == ANOMALOUS).tolist() == list(range(11, 21))
    assert np.flatnonzero(table.label == NORMAL).tolist() == list(range(31, 41))
    (without,) = read_tables([place], load_settings({}), VOICE, "", False, read_periods(file))
    assert without.label is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entity,start,end\na,2026-03-01,2026-03-02\n", "no column label"),
        ("entity,start,end,label\na,noon,2026-03-02,1\n", "noon"),
        ("entity,start,end,label\na,2026-03-01,,1\n", "without a time"),
        ("entity,start,end,label\na,2026-03-01,2026-03-02,2\n", "label holds"),
    ],
)
def test_periods_that_cannot_be_understood_are_refused(tmp_path: Path, text: str, said: str) -> None:
    place = tmp_path / "periods.csv"
    place.write_text(text)
    with pytest.raises(WrongUse, match=said):
        read_periods(place)
