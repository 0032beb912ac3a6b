"""What several models agree on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def agreed(score: NDArray[np.float64], agree: int) -> NDArray[np.float64]:
    """(n,) scores that reach a boundary exactly where at least `agree` of the members' (n, m) do: the agree-th largest.

    Raises ValueError unless 1 ≤ `agree` ≤ m.
    """
    members = score.shape[1]
    if not 1 <= agree <= members:
        raise ValueError(f"{agree} of {members} cannot agree: expected 1 to {members}")
    ranked: NDArray[np.float64] = np.partition(score, members - agree, axis=1)[:, members - agree]
    return ranked


def votes(flagged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(m,) how many of the (n, m) rows are flagged by at least 1, 2, … m members."""
    members = flagged.shape[1]
    count = np.bincount(flagged.sum(axis=1), minlength=members + 1)
    return np.cumsum(count[::-1])[::-1][1:]
