"""What an ONNX graph must be before anything of it runs, and that a row goes through it alone."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.detectors import graph_limits
from models.detectors.graph_limits import GraphError
from models.detectors.graph_rules import LARGEST
from models.detectors.graphs import Graph, read_graph
from tests.models.detectors.own_graphs import ROWS, SCORE, length, model_of, scans

ONE = numpy_helper.from_array(np.array([1.0], np.float32), "one")


def norm(domain: str = "") -> onnx.NodeProto:
    return helper.make_node("ReduceL2", ["rows"], ["score"], domain=domain, axes=[1], keepdims=0)


def branch(node: onnx.NodeProto) -> onnx.GraphProto:
    """The node as one side of an If."""
    return helper.make_graph([node], "side", [], [helper.make_tensor_value_info("side", TensorProto.FLOAT, None)])


def hidden_in_a_branch(node: onnx.NodeProto) -> onnx.ModelProto:
    yes = numpy_helper.from_array(np.array(True), "yes")
    both = {"then_branch": branch(node), "else_branch": branch(node)}
    return model_of([helper.make_node("If", ["yes"], ["side"], **both), norm()], constants=[yes])


def elsewhere(place: str) -> onnx.TensorProto:
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=place)
    return tensor


def value(
    name: str, kind: int = TensorProto.FLOAT, shape: tuple[str | int | None, ...] = ("n", None)
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


LABEL = helper.make_node("Identity", ["rows"], ["label"])
NORMAL = helper.make_node("RandomNormal", [], ["side"], shape=[1])
SCALED = helper.make_node("Mul", ["score", "far"], ["scaled"])
OUTSIDE = (
    model_of([norm(), SCALED], outputs=[value("scaled", shape=("n",))], constants=[elsewhere("../../etc/hostname")]),
    model_of([norm(), SCALED], outputs=[value("scaled", shape=("n",))], constants=[elsewhere("*/_ORT_MEM_ADDR_/*")]),
    hidden_in_a_branch(helper.make_node("Constant", [], ["side"], value=elsewhere("/etc/hostname"))),
)


@pytest.mark.parametrize("model", OUTSIDE)
def test_data_in_another_file_are_never_read(model: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="another file"):
        Graph.of(model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (model_of([norm(domain="my.ops")], domains=("", "my.ops")), "only standard operators"),
        (model_of([norm(domain="com.microsoft")], domains=("", "com.microsoft")), "only standard operators"),
        (hidden_in_a_branch(NORMAL), "another result each time"),
        (hidden_in_a_branch(helper.make_node("Loop", ["", ""], ["side"], body=branch(NORMAL))), "never end"),
        (model_of([helper.make_node("OneHot", ["rows", "one", "one"], ["score"])], constants=[ONE]), "not for rows"),
        (hidden_in_a_branch(helper.make_node("GatherND", ["rows", "one"], ["side"])), "not for rows"),
        (model_of([norm()], inputs=[ROWS, value("more")]), "2 inputs"),
        (model_of([norm(), LABEL], outputs=[SCORE, value("label")]), r"2 outputs \(score, label\)"),
        (model_of([norm()], inputs=[value("rows", TensorProto.DOUBLE)]), "rows of float32"),
        (model_of([norm()], inputs=[value("rows", shape=(32, 4))]), "rows of float32"),
        (model_of([norm()], inputs=[value("rows", shape=("n",))]), "rows of float32"),
        (model_of([norm()], outputs=[value("score", TensorProto.INT64, ("n",))]), "floating point"),
        (model_of([helper.make_node("NoSuchThing", ["rows"], ["score"])]), "not a valid ONNX graph"),
        (model_of([norm()], constants=[ONE, ONE]), "not a valid ONNX graph"),
        (model_of([helper.make_node("Add", ["rows", "nobody"], ["score"])]), "not a valid ONNX graph"),
        (helper.make_model(model_of([norm()]).graph, opset_imports=[helper.make_opsetid("", 99)]), "ONNX"),
    ],
)
def test_a_graph_that_may_not_run_is_refused_with_the_reason(model: onnx.ModelProto, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Graph.of(model.SerializeToString())


def test_functions_of_its_own_are_refused() -> None:
    model = model_of([norm()])
    model.functions.add(name="f", domain="my.ops")
    with pytest.raises(ValueError, match="export it inlined"):
        Graph.of(model.SerializeToString())


@pytest.mark.parametrize("blob", [b"", b"\x00ORTM", b"no graph at all", length()[:-3], length() + b"\xff"])
def test_bytes_that_are_no_graph_are_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="ONNX"):
        Graph.of(blob)


def test_a_file_that_is_too_large_or_not_there_is_refused_by_name(tmp_path: Path) -> None:
    large = tmp_path / "large.onnx"
    with large.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(ValueError, match=r"large\.onnx: .*50 MB"):
        read_graph(large)
    with pytest.raises(ValueError, match=r"gone\.onnx: No such file"):
        read_graph(tmp_path / "gone.onnx")


@pytest.mark.parametrize("text", ["a, b", '"a"', "[1]", '["a", "a"]', "{}"])
def test_metadata_that_name_no_features_are_refused(text: str) -> None:
    model = model_of([norm()])
    helper.set_model_props(model, {"faultline.features": text})
    with pytest.raises(ValueError, match="JSON list of different feature names"):
        Graph.of(model.SerializeToString())


def test_width_and_names_are_read_and_have_to_agree() -> None:
    assert (Graph.of(length(3)).width, Graph.of(length()).width) == (3, None)
    assert Graph.of(length(2, ("b, c", "a__mean_5"))).features == ("b, c", "a__mean_5")
    with pytest.raises(ValueError, match="names 1 features, but the ONNX graph takes rows of 2"):
        Graph.of(length(2, ("a",)))


def test_a_graph_that_compares_rows_still_sees_each_alone() -> None:
    middle = helper.make_node("ReduceMean", ["rows"], ["middle"], axes=[0])
    apart = helper.make_node("Sub", ["rows", "middle"], ["apart"])
    far = helper.make_node("ReduceL2", ["apart"], ["score"], axes=[1], keepdims=0)
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert Graph.of(model_of([middle, apart, far]).SerializeToString()).run(rows, 1).tolist() == [[0.0]] * 4


def test_a_row_that_the_graph_fails_on_or_gives_too_much_for_has_no_result() -> None:
    as_place = helper.make_node("Cast", ["rows"], ["place"], to=TensorProto.INT64)
    table = numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")
    pick = helper.make_node("Gather", ["table", "place"], ["score"])
    graph = Graph.of(model_of([as_place, pick], outputs=[value("score")], constants=[table]).SerializeToString())
    assert graph.run(np.array([[2.0], [7.0], [1.0]], np.float32), 1)[:, 0].tolist() == pytest.approx(
        [2.0, np.nan, 1.0], nan_ok=True
    )
    assert np.isnan(graph.run(np.zeros((2, 2), np.float32), 1)).all()


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_without_the_runtime_the_extra_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ValueError, match=r"pip install 'faultline\[onnx\]'"):
        Graph.of(length())


def much(of: str) -> bytes:
    """A graph that makes so many values of constants, or of the row, as no memory holds twice."""
    count = numpy_helper.from_array(np.array([200_000_000], np.int64), "count")
    if of == "a constant":
        nodes = [helper.make_node("Tile", ["one", "count"], ["many"])]
    else:
        zero = helper.make_node("Cast", ["length"], ["more"], to=TensorProto.INT64)
        nodes = [
            zero,
            helper.make_node("Add", ["count", "more"], ["all"]),
            helper.make_node("Expand", ["one", "all"], ["many"]),
        ]
    length_of_row = helper.make_node("ReduceL2", ["rows"], ["length"], axes=[1], keepdims=0)
    whole = helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0)
    add = helper.make_node("Add", ["sum", "length"], ["score"])
    blob: bytes = model_of([length_of_row, *nodes, whole, add], constants=[ONE, count]).SerializeToString()
    return blob


@pytest.mark.parametrize("of", ["a constant", "the row"])
def test_a_graph_gets_no_more_memory_than_there_is_for_all(of: str) -> None:
    before = peak_megabytes()
    graph = Graph.of(much(of))
    assert np.isnan(graph.run(np.ones((2, 2), np.float32), 1)).all()
    assert peak_megabytes() < before + 100
    assert Graph.of(length(2)).run(np.array([[3.0, 4.0]], np.float32), 1).tolist() == [[5.0]]


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_a_graph_that_does_not_come_to_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan in a scan in a scan, ten thousand steps each."""
    monkeypatch.setattr(graph_limits, "MOST_SECONDS", 0.2)
    graph = Graph.of(scans(10_000, 3))
    with pytest.raises(GraphError, match="of the processor for one row"):
        graph.run(np.ones((1, 2), np.float32), 1)
