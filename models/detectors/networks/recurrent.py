"""A recurrent network that foretells each step of a short sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detectors.distances import Single
from models.detectors.networks.base import Parameters, model_of


@dataclass(frozen=True, slots=True)
class Recurrent:
    """A long short-term memory of `hidden` cells (Hochreiter and Schmidhuber 1997): all metrics of a step go in, those
    of the next come out; of the first it knows nothing.

    A row of `width` features is read as runs of `run` values, oldest first, one run a metric; a last run that is
    shorter is filled up with 0. Gates stand as ONNX has them: input, output, forget, cell.
    """

    width: int
    run: int
    hidden: int

    @property
    def metrics(self) -> int:
        return -(-self.width // self.run)

    def start(self, random: np.random.Generator) -> Parameters:
        bound = 1.0 / np.sqrt(self.hidden)

        def uniform(*shape: int) -> Single:
            return random.uniform(-bound, bound, size=shape).astype(np.float32)

        return {
            "inputs": uniform(self.metrics, 4 * self.hidden),
            "recurrent": uniform(self.hidden, 4 * self.hidden),
            "gates": np.zeros(4 * self.hidden, np.float32),
            "outputs": uniform(self.hidden, self.metrics),
            "bias": np.zeros(self.metrics, np.float32),
        }

    def expected(self, parameters: Mapping[str, Any], rows: Any) -> Any:
        import jax
        import jax.numpy as jnp

        n, m, k = len(rows), self.metrics, self.run
        filled = jnp.pad(rows, ((0, 0), (0, m * k - self.width)))
        steps = filled.reshape(n, m, k).transpose(2, 0, 1)
        before = jnp.concatenate([jnp.zeros((1, n, m), rows.dtype), steps[:-1]])

        def cell(state: tuple[Any, Any], step: Any) -> tuple[tuple[Any, Any], Any]:
            hidden, kept = state
            sums = step @ parameters["inputs"] + hidden @ parameters["recurrent"] + parameters["gates"]
            enters, leaves, stays, fresh = jnp.split(sums, 4, axis=1)
            kept = jax.nn.sigmoid(stays) * kept + jax.nn.sigmoid(enters) * jnp.tanh(fresh)
            hidden = jax.nn.sigmoid(leaves) * jnp.tanh(kept)
            return (hidden, kept), hidden

        nothing = jnp.zeros((n, self.hidden), rows.dtype)
        _, states = jax.lax.scan(cell, (nothing, nothing), before)
        foretold = states @ parameters["outputs"] + parameters["bias"]
        return foretold.transpose(1, 2, 0).reshape(n, m * k)[:, : self.width]

    def graph(self, parameters: Parameters) -> bytes:
        from onnx import helper

        m, k = self.metrics, self.run
        constants: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {
            "filling": np.array([0, 0, 0, m * k - self.width]),
            "runs": np.array([-1, m, k]),
            "a_step": np.array([1, 0, 0, -1, 0, 0]),
            "inputs": np.ascontiguousarray(parameters["inputs"].T)[None],
            "recurrent": np.ascontiguousarray(parameters["recurrent"].T)[None],
            "gates": np.concatenate([parameters["gates"], np.zeros_like(parameters["gates"])])[None],
            "direction": np.array([1]),
            "outputs": parameters["outputs"],
            "bias": parameters["bias"],
            "flat": np.array([-1, m * k]),
            "first": np.array([0]),
            "width": np.array([self.width]),
            "columns": np.array([1]),
        }
        nodes = [
            helper.make_node("Pad", ["rows", "filling"], ["filled"]),
            helper.make_node("Reshape", ["filled", "runs"], ["by_metric"]),
            helper.make_node("Transpose", ["by_metric"], ["steps"], perm=[2, 0, 1]),
            helper.make_node("Pad", ["steps", "a_step"], ["before"]),
            helper.make_node("LSTM", ["before", "inputs", "recurrent", "gates"], ["hidden"], hidden_size=self.hidden),
            helper.make_node("Squeeze", ["hidden", "direction"], ["states"]),
            helper.make_node("MatMul", ["states", "outputs"], ["sums"]),
            helper.make_node("Add", ["sums", "bias"], ["foretold"]),
            helper.make_node("Transpose", ["foretold"], ["by_row"], perm=[1, 2, 0]),
            helper.make_node("Reshape", ["by_row", "flat"], ["whole"]),
            helper.make_node("Slice", ["whole", "first", "width", "columns"], ["expected"]),
        ]
        return model_of(self.width, nodes, constants)
