"""How the loops are compiled: entry points that are cached on disk, and the parts that they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numba import njit

Int = int | np.int64
"""What compiled code knows as one type."""

_UNCOUNTED: Any = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """An entry point: called from Python with arrays of a whole batch, compiled once, then loaded from numba's cache.

    The cache notices a change of the kernel's own file alone. Whoever changes one of its parts removes the cache
    (`__pycache__/*.nb?`).
    """
    compiled: Callable[P, R] = njit(cache=True)(function)
    return compiled


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A small part of a kernel. It may read and write arrays but make none.

    Its arrays belong to the kernel, so it does not count references to them (`_nrt`): an atomic increment per array
    and call would cost more than what most parts do, and take several times as long to compile.
    """
    compiled: Callable[P, R] = njit(forceinline=True, **_UNCOUNTED)(function)
    return compiled


def outlined(function: Callable[P, R]) -> Callable[P, R]:
    """A part that is rarely reached and large enough to stay a function of its own; else as `inlined`."""
    compiled: Callable[P, R] = njit(**_UNCOUNTED)(function)
    return compiled
