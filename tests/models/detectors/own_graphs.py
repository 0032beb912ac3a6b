"""ONNX graphs as people might bring them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

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
