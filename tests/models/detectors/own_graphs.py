"""ONNX graphs as people might bring them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROWS = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", None])
SCORE = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])


def length(width: int | None = None, features: Sequence[str] = ()) -> bytes:
    """The length of a row: far from 0 is unusual."""
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", width])
    model = model_of([helper.make_node("ReduceL2", ["rows"], ["score"], axes=[1], keepdims=0)], [rows])
    if features:
        helper.set_model_props(model, {"faultline.features": json.dumps(list(features))})
    blob: bytes = model.SerializeToString()
    return blob


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto] = (ROWS,),
    outputs: Sequence[onnx.ValueInfoProto] = (SCORE,),
    constants: Sequence[onnx.TensorProto] = (),
    domains: Sequence[str] = ("",),
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "own", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(name, 17) for name in domains], ir_version=8)


def scans(steps: int, depth: int) -> bytes:
    """A scan in a scan, so many deep, each of so many steps: the length of the row, and nothing added very often."""
    shape = numpy_helper.from_array(np.array([steps, 1], np.int64), "steps")
    long = helper.make_node("ConstantOfShape", ["steps"], ["long"])
    start = helper.make_node("ReduceL2", ["rows"], ["start"], axes=[1], keepdims=0)
    blob: bytes = model_of([long, start, _scan("start", "score", depth)], constants=[shape]).SerializeToString()
    return blob


def _scan(state: str, result: str, depth: int) -> onnx.NodeProto:
    names = [f"{name}_{depth}" for name in ("state", "step", "after")]
    held, step, after = names
    node = helper.make_node("Add", [held, step], [after]) if depth == 1 else _scan(held, after, depth - 1)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in names]
    body = helper.make_graph([node], f"body_{depth}", ends[:2], ends[2:])
    return helper.make_node("Scan", [state, "long"], [result], body=body, num_scan_inputs=1)
