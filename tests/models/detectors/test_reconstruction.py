"""Networks: what they learn, that both runtimes say the same, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from models.detectors import Autoencoder, Lstm
from models.detectors.base import GRAPH
from models.detectors.graphs import Graph
from models.detectors.networks.base import Network, Parameters
from models.detectors.networks.dense import Dense
from models.detectors.networks.recurrent import Recurrent
from models.detectors.networks.training import expected
from models.detectors.reconstruction import LEAST, TOLERANCE, check_parity
from tests.models.detectors.own_graphs import length

WIDTH = 6
DENSE = Autoencoder.design(WIDTH)
RECURRENT = Lstm.design(WIDTH)


def drawn(network: Network) -> Parameters:
    """Large ones, so that every gate and every tanh is driven to its ends."""
    random = np.random.default_rng(1)
    return {
        name: (3.0 * random.normal(size=array.shape)).astype(np.float32)
        for name, array in network.start(random).items()
    }


@pytest.mark.parametrize("network", [DENSE, RECURRENT, Recurrent(8, 3, 4), Dense(1, 1, 1)])
def test_the_graph_says_what_the_network_does_far_out_too(network: Any) -> None:
    parameters = drawn(network)
    rows = (20.0 * np.random.default_rng(0).uniform(-1, 1, size=(20, network.width))).astype(np.float32)
    graph = Graph.of(network.graph(parameters))
    np.testing.assert_allclose(graph.run(rows, network.width), expected(network, parameters, rows), atol=TOLERANCE)


@dataclass(frozen=True)
class Off(Dense):
    """A network whose graph is not quite its own."""

    by: float = 0.0

    def graph(self, parameters: Parameters) -> bytes:
        return Dense.graph(self, {**parameters, "bias_3": parameters["bias_3"] + np.float32(self.by)})


@pytest.mark.parametrize("by", [2 * TOLERANCE, np.nan])
def test_a_graph_that_says_something_else_is_not_taken(by: float) -> None:
    network = Off(WIDTH, DENSE.hidden, DENSE.code, by)
    parameters = network.start(np.random.default_rng(0))
    rows = np.zeros((3, WIDTH), np.float32)
    with pytest.raises(ValueError, match=r"differ by .* spreads, and 0\.001 is the most"):
        check_parity(Graph.of(network.graph(parameters)), network, parameters, rows)
    check_parity(Graph.of(Dense.graph(network, parameters)), network, parameters, rows)


def together(n: int, seed: int) -> NDArray[np.float64]:
    """Six features of one cause, with little noise."""
    random = np.random.default_rng(seed)
    return random.normal(size=(n, 1)) * [1.0, -1.0, 0.5, 1.0, 2.0, 1.0] + 0.05 * random.normal(size=(n, WIDTH))


def test_an_autoencoder_sees_a_feature_that_no_longer_goes_along_within_its_usual_range() -> None:
    detector = Autoencoder.fit(together(600, 0), 0)
    usual = detector.score(together(200, 1))
    apart = together(200, 1)
    apart[:, 4] *= -1.0
    moved = np.abs(apart[:, 4]) > 1.0
    assert detector.score(apart)[moved].min() > np.quantile(usual, 0.99)
    assert (np.argmax(detector.explain(apart, np.flatnonzero(moved)), axis=1) == 4).mean() > 0.9


def sequences(n: int, seed: int) -> NDArray[np.float64]:
    """Six steps of one metric that swings to and fro: each is what the one before was, with the sign turned."""
    random = np.random.default_rng(seed)
    return random.normal(size=(n, 1)) * [1.0, -1.0, 1.0, -1.0, 1.0, -1.0] + 0.05 * random.normal(size=(n, WIDTH))


def test_a_recurrent_network_sees_a_step_that_does_not_follow_from_those_before() -> None:
    detector = Lstm.fit(sequences(600, 0), 0)
    usual = detector.score(sequences(200, 1))
    broken = sequences(200, 1)
    broken[:, 5] *= -1.0
    moved = np.abs(broken[:, 5]) > 0.7
    assert detector.score(broken)[moved].min() > np.quantile(usual, 0.99)
    assert (np.argmax(detector.explain(broken, np.flatnonzero(moved)), axis=1) == 5).all()


def test_what_never_moved_has_no_say_and_what_is_always_right_a_floor() -> None:
    X = together(300, 0)
    X[:, 1], X[:, 2] = 7.0, np.nan
    detector = Autoencoder.fit(X, 0)
    assert np.isinf(detector.usual[[1, 2]]).all()
    assert (detector.usual[[0, 3, 4, 5]] >= LEAST).all()
    odd = np.zeros((1, WIDTH))
    changed = odd.copy()
    changed[0, 1:3] = 1e9
    assert detector.score(odd).tobytes() == detector.score(changed).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"spread": np.ones(WIDTH - 1)},
        {"spread": np.zeros(WIDTH)},
        {"usual": np.full(WIDTH, -1.0)},
        {"usual": np.ones(WIDTH + 1)},
        {GRAPH: np.frombuffer(length(WIDTH), np.uint8)},
        {GRAPH: np.frombuffer(DENSE.graph({name: array * np.nan for name, array in drawn(DENSE).items()}), np.uint8)},
        {GRAPH: np.zeros(10, np.uint8)},
    ],
)
def test_arrays_that_are_no_network_are_refused(change: dict[str, NDArray[Any]]) -> None:
    whole: dict[str, NDArray[Any]] = {
        "spread": np.ones(WIDTH),
        "usual": np.ones(WIDTH),
        GRAPH: np.frombuffer(DENSE.graph(drawn(DENSE)), np.uint8),
    }
    assert Autoencoder.from_arrays(whole).width == WIDTH
    with pytest.raises(ValueError, match=r"no network|ONNX graph"):
        Autoencoder.from_arrays(whole | change)


def test_a_graph_that_differs_from_the_network_in_more_than_weights_never_runs() -> None:
    model = onnx.load_model_from_string(RECURRENT.graph(drawn(RECURRENT)))
    filling = next(tensor for tensor in model.graph.initializer if tensor.name == "filling")
    filling.CopyFrom(numpy_helper.from_array(np.array([-1, 0, 0, 0]), "filling"))  # no rows: ONNX Runtime aborts
    arrays = {"spread": np.ones(WIDTH), "usual": np.ones(WIDTH)}
    with pytest.raises(ValueError, match="not the one that this detector writes"):
        Lstm.from_arrays(arrays | {GRAPH: np.frombuffer(model.SerializeToString(), np.uint8)})
    whole = np.frombuffer(RECURRENT.graph(drawn(RECURRENT)), np.uint8)
    assert Lstm.from_arrays(arrays | {GRAPH: whole}).width == WIDTH


def test_without_what_trains_it_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ValueError, match=r"needs jax. Install: pip install 'faultline\[networks\]'"):
        Autoencoder.fit(together(20, 0), 0)
