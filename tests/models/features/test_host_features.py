"""The features of a machine: the base metrics, their statistics, and ratios between them."""

from __future__ import annotations

import numpy as np

from models.features.frame import generic_features, host_features
from models.features.host import BASE, HOST, RATIOS, ROLLED

TIMES = 1_700_000_400_000_000 + np.arange(120) * 15_000_000


def host(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names, rows = host_features(TIMES, np.column_stack(list(columns.values())), list(columns))
    return dict(zip(names, rows.T, strict=True))


def everything(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {feature.name: rng.uniform(1, 100, len(TIMES)) for feature in BASE}


def test_a_machine_has_at_least_104_distinct_features_from_47_base_metrics() -> None:
    assert len(BASE) == 47
    assert len(HOST.names) == len(set(HOST.names)) >= 104


def test_base_metrics_are_passed_on_and_missing_ones_are_nan() -> None:
    got = host({"cpu_ratio": np.arange(120.0), "not_a_base_metric": np.ones(120)})
    np.testing.assert_array_equal(got["cpu_ratio"], np.arange(120.0))
    assert np.isnan(got["load_1"]).all()
    assert "not_a_base_metric" not in got


def test_rolled_metrics_have_the_generic_statistics() -> None:
    columns = everything()
    got = host(columns)
    names, rows = generic_features(TIMES, np.column_stack([columns[name] for name in ROLLED]), ROLLED)
    for name, column in zip(names, rows.T, strict=True):
        if not name.endswith("_1h"):
            np.testing.assert_array_equal(got[name], column, err_msg=name)


def test_ratios_are_what_their_formulas_say() -> None:
    columns = everything()
    got = host(columns)
    for ratio in RATIOS:
        expected = eval(ratio.formula, {}, columns)
        np.testing.assert_allclose(got[ratio.name], expected, rtol=1e-14, err_msg=ratio.name)


def test_a_ratio_with_nothing_below_is_missing() -> None:
    got = host({"network_receive_bytes": np.ones(120), "network_receive_packets": np.zeros(120)})
    assert np.isnan(got["network_receive_bytes__per_packet"]).all()
