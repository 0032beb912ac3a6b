"""What a network is, and the frame of its ONNX graph."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.detectors.distances import Single

if TYPE_CHECKING:
    import onnx

Parameters = Mapping[str, Single]

OPSET, IR = 17, 8
"""Of 2022: any ONNX Runtime in use runs them."""


class Network(Hashable, Protocol):
    """Gives rows (n, d) the rows that were expected of them. Frozen and hashable, since it is compiled once for all
    sets that it learns from.
    """

    def start(self, random: np.random.Generator) -> Parameters:
        """Parameters before training."""
        ...

    def expected(self, parameters: Mapping[str, Any], rows: Any) -> Any:
        """In JAX."""
        ...

    def graph(self, parameters: Parameters) -> bytes:
        """The same as an ONNX graph."""
        ...


def model_of(
    width: int, nodes: Sequence[onnx.NodeProto], constants: Mapping[str, NDArray[np.float32] | NDArray[np.int64]]
) -> bytes:
    """A model whose nodes make `expected` of `rows`, both (n, width)."""
    from onnx import TensorProto, helper, numpy_helper

    rows, found = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name in ("rows", "expected")
    )
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "expected_rows", [rows], [found], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    blob: bytes = model.SerializeToString(deterministic=True)
    return blob
