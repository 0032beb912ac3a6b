"""Which form every value of a batch has, told by its first bytes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.framing import CONFLUENT_HEADER, SINGLE_OBJECT_HEADER
from schemas.kernels.compiled import kernel
from schemas.kernels.text import byte_at, word_at

EMPTY: Final = 0
SINGLE: Final = 1
CONFLUENT: Final = 2
JSON: Final = 3
OTHER: Final = 4

_MARK = 0xC3, 0x01
_SPACES = (0x20, 0x09, 0x0A, 0x0D)
_BRACE = 0x7B


@kernel
def forms(
    buf: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.uint64], NDArray[np.int64]]:
    """(form, the writer's fingerprint or schema id, where the datum begins) of every value."""
    n = len(starts)
    form = np.empty(n, np.int8)
    writer = np.zeros(n, np.uint64)
    datum = starts.copy()
    for i in range(n):
        pos = starts[i]
        size = ends[i] - pos
        if size == 0:
            form[i] = EMPTY
        elif size >= SINGLE_OBJECT_HEADER and byte_at(buf, pos) == _MARK[0] and byte_at(buf, pos + 1) == _MARK[1]:
            form[i] = SINGLE
            writer[i] = word_at(buf, pos + 2)
            datum[i] = pos + SINGLE_OBJECT_HEADER
        elif size >= CONFLUENT_HEADER and byte_at(buf, pos) == 0:
            form[i] = CONFLUENT
            for place in range(1, CONFLUENT_HEADER):
                writer[i] = (writer[i] << np.uint64(8)) | np.uint64(byte_at(buf, pos + place))
            datum[i] = pos + CONFLUENT_HEADER
        else:
            while pos < ends[i] and byte_at(buf, pos) in _SPACES:
                pos += 1
            form[i] = JSON if pos < ends[i] and byte_at(buf, pos) == _BRACE else OTHER
    return form, writer, datum
