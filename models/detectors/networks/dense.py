"""A dense autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from models.detectors.networks.base import Parameters, model_of


@dataclass(frozen=True, slots=True)
class Dense:
    """`width` features through `hidden` units to a `code` of few, and back.

    tanh, since it ends: what is far outside of all that was learned is not rebuilt.
    """

    width: int
    hidden: int
    code: int

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """How many go in and come out, layer by layer; all but the last end in tanh."""
        sizes = (self.width, self.hidden, self.code, self.hidden, self.width)
        return tuple(pairwise(sizes))

    def start(self, random: np.random.Generator) -> Parameters:
        """Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010)."""
        found = {}
        for number, (inputs, outputs) in enumerate(self.layers):
            spread = np.sqrt(2.0 / (inputs + outputs))
            found[f"weight_{number}"] = (spread * random.normal(size=(inputs, outputs))).astype(np.float32)
            found[f"bias_{number}"] = np.zeros(outputs, np.float32)
        return found

    def expected(self, parameters: Mapping[str, Any], rows: Any) -> Any:
        import jax.numpy as jnp

        last = len(self.layers) - 1
        for number in range(last + 1):
            rows = rows @ parameters[f"weight_{number}"] + parameters[f"bias_{number}"]
            rows = jnp.tanh(rows) if number < last else rows
        return rows

    def graph(self, parameters: Parameters) -> bytes:
        from onnx import helper

        nodes, at, last = [], "rows", len(self.layers) - 1
        for number in range(last + 1):
            out = f"sum_{number}" if number < last else "expected"
            nodes.append(helper.make_node("Gemm", [at, f"weight_{number}", f"bias_{number}"], [out]))
            if number < last:
                at = f"layer_{number}"
                nodes.append(helper.make_node("Tanh", [out], [at]))
        return model_of(self.width, nodes, parameters)
