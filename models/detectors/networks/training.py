"""Training by JAX, on the CPU whatever else the machine has: the same rows and seed give the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from models.detectors.distances import Single
from models.detectors.networks.base import Network, Parameters

NEEDED = ("jax", "optax", "onnx", "onnxruntime")

BATCH = 128
STEPS, ROUNDS = 1_000, 500
"""A network learns from so many batches, of few rows from no more than come in so many rounds. With 300 batches it
knows little, 2,500 found little more in sets of 9,000 and of 20,000 rows.
"""

RATE = 3e-3
"""Adam's learning rate at the start; it falls to nothing along half a cosine."""

NOISE = 0.1
"""In spreads, added to what the network sees in training, so that it does not learn rows by heart."""

OPTIMISED = {"xla_backend_optimization_level": 1}
"""XLA's effort: a step takes as long as at 3, and compiling it, which small sets spend most of their time on, half."""

BEND = 1.0
"""From so many spreads on an error counts by its size, not its square: what is anomalous in training is not to lead."""


def train(network: Network, rows: Single, seed: int) -> Parameters:
    """Parameters learned from n ≥ 1 rows (n, d). Raises ValueError where JAX is not installed."""
    check_installed()
    count = min(STEPS, -(-ROUNDS * len(rows) // BATCH))
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(len(rows)) for _ in range(-(-count * BATCH // len(rows)))])
    first = network.start(random)
    with _on_the_cpu():
        start, step = _steps(network)
        flat: Any = np.concatenate([array.ravel() for array in first.values()])
        state = start(flat)
        for number in range(count):
            batch = rows[order[number * BATCH : (number + 1) * BATCH]]
            noisy = batch + NOISE * random.standard_normal(batch.shape, np.float32)
            flat, state = step(flat, state, noisy, batch, number / count)
        return _named(np.asarray(flat), first)


def expected(network: Network, parameters: Parameters, rows: Single) -> Single:
    """(n, d) what the network says of rows."""
    with _on_the_cpu():
        return np.asarray(_compiled(network)(parameters, rows))


@lru_cache(maxsize=16)
def _steps(network: Network) -> tuple[Callable[[Any], Any], Callable[..., tuple[Any, Any]]]:
    """The optimiser's first state, and one step: compiled once for all sets that a network of this form learns from.

    Over all parameters as one array, which takes half as long to compile as one by one.
    """
    import jax
    import jax.numpy as jnp
    import optax

    optimiser = optax.scale_by_adam()
    like = network.start(np.random.default_rng(0))

    def loss(flat: Any, noisy: Any, rows: Any) -> Any:
        return optax.huber_loss(network.expected(_named(flat, like), noisy), rows, delta=BEND).mean()

    def step(flat: Any, state: Any, noisy: Any, rows: Any, done: float) -> tuple[Any, Any]:
        updates, state = optimiser.update(jax.grad(loss)(flat, noisy, rows), state)
        return flat - RATE * 0.5 * (1.0 + jnp.cos(jnp.pi * done)) * updates, state

    return optimiser.init, jax.jit(step, compiler_options=OPTIMISED)


def _named(flat: Any, like: Parameters) -> dict[str, Any]:
    """The parameters that lie in one array, in the order and shapes of those."""
    ends = np.cumsum([array.size for array in like.values()]).tolist()
    return {
        name: flat[end - array.size : end].reshape(array.shape)
        for (name, array), end in zip(like.items(), ends, strict=True)
    }


@lru_cache(maxsize=16)
def _compiled(network: Network) -> Callable[[Parameters, Single], Any]:
    import jax

    return jax.jit(network.expected, compiler_options={"xla_backend_optimization_level": 0})


def check_installed() -> None:
    """Raise ValueError where what trains networks, and what then scores by them, is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ValueError(f"a network needs {' and '.join(missing)}. Install: pip install 'faultline[networks]'")


def _on_the_cpu() -> AbstractContextManager[None]:
    import jax

    context: AbstractContextManager[None] = jax.default_device(jax.devices("cpu")[0])
    return context
