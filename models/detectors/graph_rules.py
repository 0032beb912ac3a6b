"""What an ONNX graph must be before anything of it runs: whole, standard, bounded, and of rows in and numbers out.

The bytes may come from anyone: of a graph that passes, ONNX Runtime reads no other file and calls no other code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

LARGEST = 50 << 20
"""Bytes of a graph; a loaded model is to stay below that."""

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""The standard's own operators. Others need code that would have to come with them."""

REFUSED = {
    "Loop": "may never end",
    **dict.fromkeys(
        ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
        "gives the same row another result each time",
    ),
    **dict.fromkeys(
        (
            *("CategoryMapper", "DictVectorizer", "FeatureVectorizer", "StringNormalizer", "TfIdfVectorizer"),
            *("Col2Im", "DepthToSpace", "GridSample", "MaxRoiPool", "MaxUnpool", "NonMaxSuppression", "Resize"),
            *("RoiAlign", "SpaceToDepth", "Upsample", "DFT", "STFT", "GatherND", "OneHot", "ScatterND"),
            *("ConcatFromSequence", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase"),
            *("SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence", "Optional"),
            *("OptionalGetElement", "OptionalHasElement"),
        ),
        "is for texts, pictures, sounds, sequences or labels, not for rows of numbers",
    ),
}
"""Operators that do not run. ONNX Runtime does not check all that it is given: absurd attributes and places make
some of the last ones end the process, and a model of rows has no need of them.
"""

FEATURES = "faultline.features"
"""Key of the metadata that name a graph's columns: a JSON list of feature names, in order."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """How many columns a row has (None: any number), and what the metadata call them (empty: nothing)."""

    width: int | None
    features: tuple[str, ...]


def inspected(blob: bytes) -> Inspected:
    """What a graph says of itself. Raises ValueError for one that may not run, ImportError without the onnx library."""
    import onnx

    if len(blob) > LARGEST:
        raise ValueError(f"an ONNX graph of more than {LARGEST >> 20} MB is not taken")
    try:
        model = onnx.load_model_from_string(blob)
    except Exception as error:  # whatever the parser makes of bytes that are something else
        raise ValueError(f"not an ONNX graph: {error}") from error
    if len(model.functions) or len(model.training_info):
        raise ValueError("the ONNX graph has functions or training steps of its own; export it inlined, for inference")
    for graph in _graphs(model.graph):
        _check_nodes(graph)
        if any(_elsewhere(tensor) for tensor in _tensors(graph)):
            raise ValueError("the ONNX graph keeps data in another file, and none is read; export it as one file")
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # of some graphs that are none it tells by errors of its own parts
        raise ValueError(f"not a valid ONNX graph: {str(error).partition(chr(10))[0]}") from error
    width, features = _width(model), _features(model)
    if features and width not in (None, len(features)):
        raise ValueError(f"{FEATURES} names {len(features)} features, but the ONNX graph takes rows of {width}")
    return Inspected(width, features)


def same_but_weights(blob: bytes, other: bytes) -> bool:
    """Whether two graphs, both inspected or written here, differ at most in the values of their single-precision
    constants.
    """
    return _outline(blob) == _outline(other)


def _outline(blob: bytes) -> bytes:
    import onnx

    model = onnx.load_model_from_string(blob)
    model.ClearField("producer_version")
    for tensor in model.graph.initializer:
        if tensor.data_type == tensor.FLOAT:
            tensor.ClearField("raw_data")
    outline: bytes = model.SerializeToString(deterministic=True)
    return outline


def _width(model: onnx.ModelProto) -> int | None:
    """Columns of the one input, (1 or any, columns) in single precision; the output is one, of floating point."""
    from onnx import TensorProto

    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    for what, values in (("input", inputs), ("output", model.graph.output)):
        if len(values) != 1:
            raise ValueError(
                f"the ONNX graph has {len(values)} {what}s ({', '.join(value.name for value in values)}); leave it one"
            )
    kind, output = inputs[0].type.tensor_type, model.graph.output[0].type.tensor_type
    sizes = [size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT or len(sizes) != 2 or sizes[0] not in (None, 1):
        raise ValueError(
            f"the ONNX graph's input {inputs[0].name} is to be rows of float32 values, (any number of rows, features)"
        )
    if output.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise ValueError(f"the ONNX graph's output {model.graph.output[0].name} is to be floating point numbers")
    return sizes[1]


def _features(model: onnx.ModelProto) -> tuple[str, ...]:
    text = {entry.key: entry.value for entry in model.metadata_props}.get(FEATURES, "[]")
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"the ONNX graph's metadata {FEATURES} are to be a JSON list of different feature names")
    return tuple(names)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph, and those that its nodes hold."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(inner)


def _check_nodes(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.domain not in DOMAINS:
            raise ValueError(f"the ONNX graph has a {node.op_type} of {node.domain!r}; only standard operators run")
        if node.op_type in REFUSED:
            raise ValueError(f"the ONNX graph has a {node.op_type}, which {REFUSED[node.op_type]}")


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    sparse = list(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            sparse += attribute.sparse_tensors
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                sparse.append(attribute.sparse_tensor)
    for one in sparse:
        yield from (one.values, one.indices)


def _elsewhere(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location != tensor.DEFAULT or len(tensor.external_data) > 0
