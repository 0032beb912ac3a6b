"""The formulas of the `service` features over merged panes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.features.known import FEATURE_SETS
from models.features.service import BASELINE, COLUMNS, SERVICE, reference_stretch, service_features, service_set

STRETCHES = 4
END = np.array([1_750_000_200_000_000], np.int64)  # a Sunday, 15:10 UTC


def stretch(**known: float) -> list[float]:
    """One stretch; latencies are NaN and counts 0 unless given."""
    missing = {"latency_min", "latency_max", "latency_p50", "latency_p95", "latency_p99"}
    return [known.get(name, math.nan if name in missing else 0.0) for name in COLUMNS]


def features(stretches: list[list[float]], baseline: list[float] | None = None) -> dict[str, float]:
    stats = np.array([stretches])
    base = np.array([baseline or [math.nan] * len(BASELINE)])
    row = service_features(stats, base, END, reference_stretch((60_000_000, 300_000_000, 1_800_000_000)))[0]
    return dict(zip(SERVICE.names, row.tolist(), strict=True))


BUSY = stretch(
    count=10, errors=2, warnings=1, timed=4, latency_sum=100, latency_squares=3000, latency_min=10, latency_max=40,
    latency_p50=20, latency_p95=39, latency_p99=40, paths=3, active=1,
)  # fmt: skip
QUIET = stretch()


def test_the_twelve_features_of_a_pane() -> None:
    found = features([BUSY, BUSY, BUSY, BUSY])
    assert found["events_count"] == 10
    assert found["errors_ratio"] == 0.2
    assert found["warnings_ratio"] == 0.1
    assert (found["latency_p50_ms"], found["latency_p95_ms"], found["latency_p99_ms"]) == (20, 39, 40)
    assert found["latency_mean_ms"] == 25
    assert found["latency_std_ms"] == pytest.approx(math.sqrt(3000 / 4 - 625))
    assert found["latency_max_ms"] == 40
    assert found["paths_count"] == 3
    assert found["events_change_ratio"] == found["latency_change_ratio"] == 0


def test_changes_compare_each_stretch_with_the_next_longer_one() -> None:
    minute = stretch(count=30, active=6, timed=30, latency_sum=300)
    five = stretch(count=300, active=30, timed=300, latency_sum=6000)
    found = features([BUSY, minute, five, five], [9, 20.0, 1, 0, 0, 40.0, 1])
    assert found["events_change_ratio"] == 10 / 5 - 1
    assert found["events_change_ratio_1m"] == 5 / 10 - 1
    assert found["latency_change_ratio_1m"] == 10 / 20 - 1
    assert found["events_change_ratio_30m"] == 10 / 20 - 1
    assert found["latency_change_ratio_30m"] == 20 / 40 - 1


def test_nothing_is_made_up_where_there_is_nothing() -> None:
    found = features([QUIET, QUIET, BUSY, BUSY])
    assert found["events_count"] == 0
    for name in ("errors_ratio", "warnings_ratio", "latency_mean_ms", "latency_std_ms", "latency_p99_ms"):
        assert math.isnan(found[name]), name
    assert math.isnan(found["events_change_ratio"]), "there is nothing to compare with"
    assert math.isnan(found["events_z_24h"])
    silent = features([QUIET, BUSY, BUSY, BUSY])
    assert silent["events_change_ratio"] == -1


def test_z_scores_compare_five_minutes_with_the_own_past() -> None:
    five = stretch(count=300, errors=30, active=30, timed=300, latency_sum=6000)
    found = features([BUSY, BUSY, five, BUSY], [100, 8.0, 0.5, 0.02, 0.0, 10.0, 0.0])
    assert found["events_z_24h"] == (10 - 8) / 0.5
    assert found["errors_z_24h"] == pytest.approx((0.1 - 0.02) / 0.005)
    assert found["latency_z_24h"] == (20 - 10) / 0.5


def test_rounding_is_no_deviation() -> None:
    same = 0.1
    stats = stretch(count=3, timed=3, latency_sum=3 * same, latency_squares=3 * same * same * (1 + 4e-16), active=1)
    assert features([stats] * 4)["latency_std_ms"] == 0


@given(st.integers(1, 40), st.integers(0, 1 << 30))
def test_a_row_is_the_same_alone_and_in_company(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    stats = random.lognormal(1, 2, (n, STRETCHES, len(COLUMNS)))
    stats[random.random(stats.shape) < 0.2] = 0
    stats[random.random(stats.shape) < 0.1] = np.nan
    base = random.lognormal(0, 1, (n, len(BASELINE)))
    ends = random.integers(0, 1 << 50, n)
    together = service_features(stats, base, ends, 2)
    for i in range(n):
        alone = service_features(stats[i : i + 1], base[i : i + 1], ends[i : i + 1], 2)
        assert alone.tobytes() == together[i].tobytes()
    strided: NDArray[np.float64] = np.asfortranarray(stats)
    assert service_features(strided, base, ends, 2).tobytes() == together.tobytes()


def test_names_carry_unit_and_window_and_the_hash_tells_sets_apart() -> None:
    assert len(SERVICE.names) == len(set(SERVICE.names)) == 60
    assert "latency_p99_ms_5m" in SERVICE.names
    assert FEATURE_SETS[SERVICE.hash] is SERVICE
    wider = service_set(windows=(60_000_000, 600_000_000))
    assert "latency_p99_ms_10m" in wider.names
    assert wider.hash != SERVICE.hash
    assert service_set().hash == SERVICE.hash
