"""What is usual at a time of day is taken out; what never moved stays out."""

from __future__ import annotations

import numpy as np
import pytest

from models.arrays import pack, unpack
from models.periods import Calendar, Places
from models.scaling import LIMIT, SLOTS, Scaler, slot_position
from tests.models.learned import NAMES, START, table

CPU, QUEUE, STILL, GONE = (NAMES.index(name) for name in ("cpu_ratio", "queue", "still", "gone"))


def _fitted(days: int = 14) -> tuple[Scaler, np.ndarray[tuple[int, int], np.dtype[np.float64]], Places]:
    rows = table(days)
    places = Calendar().place(rows.window_end)
    return Scaler.fit(rows.values, places), rows.values, places


def test_a_daily_rhythm_is_gone_after_scaling() -> None:
    scaler, values, places = _fitted()
    scaled = scaler.transform(values, places)
    hours = np.arange(24)
    medians = [np.median(scaled[places.hour.astype(int) == hour, CPU]) for hour in hours]
    assert np.abs(medians).max() < 0.5
    assert 0.5 < np.std(scaled[:, QUEUE]) < 1.5


def test_with_one_day_there_is_no_rhythm_to_take_out() -> None:
    scaler, _, _ = _fitted(days=1)
    assert np.ptp(scaler.centre[0, :, CPU]) == 0.0


def test_what_never_moved_or_was_never_there_stays_zero_whatever_comes() -> None:
    scaler, values, places = _fitted()
    odd = values[:2].copy()
    odd[:, STILL], odd[:, GONE] = 1e9, -1e9
    assert (scaler.transform(odd, places.take(np.arange(2)))[:, [STILL, GONE]] == 0.0).all()


def test_missing_stays_missing_and_the_far_out_is_limited() -> None:
    scaler, values, places = _fitted()
    odd = values[:3].copy()
    odd[:, QUEUE] = (np.nan, 1e12, -1e12)
    scaled = scaler.transform(odd, places.take(np.arange(3)))[:, QUEUE]
    assert np.array_equal(scaled, [np.nan, LIMIT, -LIMIT], equal_nan=True)


def test_weekends_have_a_profile_of_their_own() -> None:
    rows = table(21)
    places = Calendar().place(rows.window_end)
    rows.values[places.weekend, QUEUE] -= 30.0
    scaler = Scaler.fit(rows.values, places)
    expected = scaler.expected(places)[:, QUEUE]
    assert np.abs(expected[places.weekend] - 20.0).max() < 2.0
    assert np.abs(expected[~places.weekend] - 50.0).max() < 2.0


def test_the_expected_value_has_no_steps_between_quarters_of_an_hour() -> None:
    scaler, _, _ = _fitted()
    minutes = START + 60_000_000 * np.arange(1440, dtype=np.int64)
    expected = scaler.expected(Calendar().place(minutes))[:, CPU]
    assert np.abs(np.diff(expected)).max() < 0.003


def test_slots_are_placed_by_their_middles() -> None:
    slot, share = slot_position(np.array([0.0, 0.125, 0.25, 23.99]))
    assert slot.tolist() == [-1, 0, 0, SLOTS - 1]
    assert share == pytest.approx([0.5, 0.0, 0.5, 0.46])


def test_numbers_of_events_scatter_alike_by_day_and_by_night() -> None:
    rng = np.random.default_rng(0)
    times = START + 300_000_000 * np.arange(14 * 288, dtype=np.int64)
    places = Calendar().place(times)
    busy = (places.hour >= 9) & (places.hour < 17)
    X = np.column_stack([rng.poisson(np.where(busy, 1_000, 50)), rng.normal(size=len(times))]).astype(np.float64)
    X[5, 0] = np.nan
    scaler = Scaler.fit(X, places, counts=np.array([True, False]))
    scaled = scaler.transform(X, places)
    apart = np.abs((places.hour % 24) - np.where(places.hour < 13, 9, 17)) > 1
    spreads = [np.nanstd(scaled[apart & part, 0]) for part in (busy, ~busy)]
    assert 0.8 < spreads[0] / spreads[1] < 1.25
    assert np.isnan(scaled[5, 0])
    assert scaled[:, 1].tobytes() == Scaler.fit(X, places).transform(X, places)[:, 1].tobytes()
    assert np.isfinite(scaler.transform(np.array([[0.0, 0.0], [-1.0, 0.0]]), places.take(np.arange(2)))).all()
    again = Scaler.from_arrays(unpack(pack(scaler.to_arrays())))
    assert again.transform(X, places).tobytes() == scaled.tobytes()


def test_a_scaler_survives_storage() -> None:
    scaler, values, places = _fitted(3)
    again = Scaler.from_arrays(unpack(pack(scaler.to_arrays())))
    assert again.transform(values, places).tobytes() == scaler.transform(values, places).tobytes()
