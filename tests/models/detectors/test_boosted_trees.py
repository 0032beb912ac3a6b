"""Boosted trees score as XGBoost does, to the last bit, and cannot be made to read outside their arrays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from models.detectors.boosted_trees import BoostedTrees, Growth
from models.features.event import EVENT
from tests.models.detectors.test_detectors import CONTRACT

Values = NDArray[np.float64]


def _rows(n: int = 1_500, d: int = 12, seed: int = 0) -> tuple[Values, NDArray[np.bool_]]:
    """Rows, some anomalous by two causes; values are missing, one column is constant and one never there."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    y = (X[:, 0] > 1.5) | (X[:, 1] * X[:, 2] > 2.5)
    X[rng.random((n, d)) < 0.1] = np.nan
    X[:, 3] = np.round(X[:, 3], 1)
    X[:, -2], X[:, -1] = 4.0, np.nan
    return X, y


@cache
def _taught(depth: int = 4) -> BoostedTrees:
    return BoostedTrees.fit(*_rows(), Growth(depth=depth), 40, seed=1)


def _theirs(ours: BoostedTrees, X: Values) -> NDArray[np.float32]:
    booster = xgboost.Booster()
    booster.load_model(bytearray(ours.ubj.tobytes()))
    margins: NDArray[np.float32] = booster.predict(xgboost.DMatrix(X), output_margin=True)
    return margins


@pytest.mark.parametrize("depth", [1, 4, 7])
def test_margins_equal_those_of_xgboost_to_the_last_bit(depth: int) -> None:
    ours = _taught(depth)
    X, _ = _rows(seed=9)
    nothing = np.full((1, X.shape[1]), np.nan)
    nothing[0, -2] = 4.0  # the one feature that training never had missing
    probe = np.concatenate([X, 1e30 * X, nothing, np.zeros((1, X.shape[1]))])
    assert ours.score(probe).astype(np.float32).tobytes() == _theirs(ours, probe).tobytes()


def test_values_at_a_split_go_the_way_xgboost_sends_them() -> None:
    ours = _taught()
    cuts = np.unique(ours.threshold[ours.feature >= 0]).astype(np.float32)
    around = np.concatenate([cuts, np.nextafter(cuts, np.float32(np.inf)), np.nextafter(cuts, np.float32(-np.inf))])
    probe = np.repeat(around[:, None].astype(np.float64), ours.width, axis=1)
    assert ours.score(probe).astype(np.float32).tobytes() == _theirs(ours, probe).tobytes()


def test_a_missing_value_goes_where_training_sent_those_that_were_missing() -> None:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 2))
    y = rng.random(600) < 0.3
    X[y, 0] = np.nan  # what is missing is what is anomalous
    ours = BoostedTrees.fit(X, y, Growth(seen=2.0), 10, seed=0)
    probe = np.array([[np.nan, 0.0], [0.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
    assert ours.score(probe)[0] > 1.0 > -1.0 > ours.score(probe)[1:].max()


def test_what_training_never_had_missing_counts_as_expected_where_it_is() -> None:
    X, y = _rows()
    X = np.nan_to_num(X)
    ours = BoostedTrees.fit(X, y, Growth(), 20, seed=0)
    gone = X[:50].copy()
    gone[:, 0] = np.nan
    assert ours.score(gone).tobytes() == ours.score(np.nan_to_num(gone)).tobytes()


def test_a_category_that_training_had_not_seen_is_a_number_like_any_other() -> None:
    """Events' categories are numbers before they come here (levels, classes of status), and unknown ones missing."""
    rng = np.random.default_rng(5)
    X = np.zeros((400, len(EVENT.names)))
    level, status = EVENT.names.index("level"), EVENT.names.index("status_class")
    X[:, level], X[:, status] = rng.integers(0, 2, 400), rng.integers(2, 5, 400)
    y = X[:, level] == 1
    ours = BoostedTrees.fit(X, y, Growth(seen=len(EVENT.names)), 10, seed=0)
    probe = np.zeros((3, X.shape[1]))
    probe[:, level], probe[:, status] = (3.0, np.nan, 0.0), (9.0, np.nan, 2.0)
    found = ours.score(probe)
    assert np.isfinite(found).all()
    assert found[0] > 0.0 > found[2]


class _Taught:
    """As the contract of detectors asks for one: the anomalous rows are those where feature 3 is far out."""

    kind = BoostedTrees.kind

    @classmethod
    def fit(cls, X: Values, seed: int) -> BoostedTrees:
        return BoostedTrees.fit(X, np.nan_to_num(X[:, 3]) > 1.0, Growth(seen=3.0), 20, seed)

    from_arrays = BoostedTrees.from_arrays


@pytest.mark.parametrize("rule", ["rows_stand_alone", "survives_storage", "repeatable", "explains_the_culprit"])
def test_the_rules_of_all_detectors_hold(rule: str) -> None:
    getattr(CONTRACT, f"assert_{rule}")(_Taught)


def test_rows_of_one_kind_and_no_rows_are_refused() -> None:
    X, _ = _rows(50)
    with pytest.raises(ValueError, match="both kinds are needed, not 50 normal and 0 anomalous"):
        BoostedTrees.fit(X, np.zeros(50, np.bool_), Growth(), 5, seed=0)
    with pytest.raises(ValueError, match="nothing to fit on"):
        BoostedTrees.fit(X[:, :0], np.ones(50, np.bool_), Growth(), 5, seed=0)


def test_only_constants_and_missing_values_tell_nothing_apart() -> None:
    X = np.column_stack([np.full(60, 3.0), np.full(60, np.nan)])
    ours = BoostedTrees.fit(X, np.arange(60) % 3 == 0, Growth(), 5, seed=0)
    assert np.ptp(ours.score(np.array([[3.0, np.nan], [-9.0, 1.0]]))) == 0.0
    assert not ours.explain(X, np.arange(3)).any()


def test_growth_ends_where_the_later_rows_gain_no_more() -> None:
    X, y = _rows()
    rng = np.random.default_rng(8)
    noise = rng.permutation(y[1_000:])
    learned, trees = BoostedTrees.judged(X[:1_000], y[:1_000], X[1_000:], y[1_000:], Growth(), seed=0)
    _, few = BoostedTrees.judged(X[:1_000], y[:1_000], X[1_000:], noise, Growth(), seed=0)
    assert few < 10 < trees < 500
    assert len(learned.roots) == trees


def _changed(change: Any) -> bytes:
    """The file of a model with something in it changed, by way of JSON, which XGBoost does not check."""
    import json

    booster = xgboost.train(
        {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 2, "nthread": 1}, xgboost.DMatrix(*_rows()), 2
    )
    document: Mapping[str, Any] = json.loads(booster.save_raw("json"))
    change(document["learner"])
    return _ubj(document)


def _ubj(value: Any) -> bytes:
    """UBJSON without typed arrays: what `models.ubj` reads as lists."""
    import struct

    def text(one: str) -> bytes:
        return b"L" + struct.pack(">q", len(one.encode())) + one.encode()

    if isinstance(value, dict):
        return b"{" + b"".join(text(name) + _ubj(one) for name, one in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b"".join(map(_ubj, value)) + b"]"
    if isinstance(value, str):
        return b"S" + text(value)
    return b"L" + struct.pack(">q", value) if isinstance(value, int) else b"D" + struct.pack(">d", value)


def _tree(learner: Any) -> Any:
    return learner["gradient_booster"]["model"]["trees"][1]


def test_a_file_written_by_hand_is_read_like_that_of_xgboost() -> None:
    X, _ = _rows(seed=2)
    ours = BoostedTrees.of(_changed(lambda learner: None), np.zeros(X.shape[1], np.bool_))
    booster = xgboost.train(
        {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 2, "nthread": 1}, xgboost.DMatrix(*_rows()), 2
    )
    assert (
        ours.score(X).astype(np.float32).tobytes() == booster.predict(xgboost.DMatrix(X), output_margin=True).tobytes()
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["objective"].update(name="multi:softprob"), "not taken over: gbtree for multi:softprob"),
        (lambda m: m["gradient_booster"].update(name="dart"), "not taken over: dart"),
        (lambda m: m["learner_model_param"].update(num_class="3"), "not taken over"),
        (lambda m: m["learner_model_param"].update(base_score="[1E0]"), "base score"),
        (lambda m: m["learner_model_param"].update(num_feature="0"), "0 features"),
        (lambda m: m.pop("objective"), "no model of XGBoost"),
        (lambda m: m["gradient_booster"]["model"].update(trees=[]), "no model of XGBoost"),
        (lambda m: _tree(m)["split_type"].__setitem__(0, 1), "splits by category"),
        (lambda m: _tree(m)["tree_param"].update(size_leaf_vector="2"), "several values"),
        (lambda m: _tree(m)["left_children"].__setitem__(0, 10**6), "leads outside"),
        (lambda m: _tree(m)["right_children"].__setitem__(0, -1), "leads outside"),
        (lambda m: _tree(m)["left_children"].__setitem__(0, 0), "goes in circles"),
        (lambda m: _tree(m)["split_indices"].__setitem__(0, 10**6), "a feature that there is not"),
        (lambda m: _tree(m)["sum_hessian"].pop(), "differ in length"),
        (lambda m: _tree(m)["split_conditions"].__setitem__(0, float("nan")), "lead outside"),
        (lambda m: _tree(m).update(default_left="all"), "no column of numbers"),
    ],
)
def test_models_of_another_kind_and_damaged_ones_are_refused(change: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BoostedTrees.of(_changed(change), np.zeros(12, np.bool_))
