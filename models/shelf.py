"""Room for large arrays: in memory up to a bound, in unnamed temporary files beyond it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

IN_MEMORY = 1 << 30
"""Bytes that are held in memory before the disk is used."""


class Shelf:
    """Keeps float64 matrices until they are wanted. What lies on disk goes with the last array that points there."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._left = in_memory
        self._most = in_memory
        self._file: IO[bytes] | None = None

    def put(self, values: Values) -> Callable[[], Values]:
        """Keep these; the result gives them back."""
        if values.nbytes <= self._left:
            self._left -= values.nbytes
            return lambda: values
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="faultline-vectors-")  # noqa: SIM115 (kept)
        file, shape = self._file, values.shape
        start = file.seek(0, 2)
        file.write(np.ascontiguousarray(values, np.float64).tobytes())

        def back() -> Values:
            file.seek(start)
            return np.frombuffer(file.read(shape[0] * shape[1] * 8), np.float64).reshape(shape)

        return back

    def empty(self, shape: tuple[int, int]) -> Values:
        """A matrix to be filled: on disk if it is larger than all that may be in memory."""
        if shape[0] * shape[1] * 8 <= self._most:
            return np.empty(shape)
        with tempfile.TemporaryFile(prefix="faultline-vectors-") as file:
            return np.memmap(file, np.float64, "w+", shape=shape)  # the mapping keeps the file
