"""Binary trees in one flat table of nodes, and the compiled walks through them: forests and boosted trees alike.

A node is a row of four columns. `feature` is −1 in a leaf. Elsewhere a row of data goes to `left` where its value is at
most `threshold`, else to `left + 1`: siblings lie side by side. `value` is what a leaf adds; of an inner node it is the
mean of that over the training data that came by. `roots` are the trees' first nodes.

Sums go over the trees in their order, row by row, so a row's is the same bytes in any company.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEAF = -1
BLOCK = 64
LARGEST_VALUE = 1e9
"""Of a node: depths and logarithms of odds are far below, and sums of them have a value in single precision."""

Single = NDArray[np.float32]
Nodes = NDArray[np.int32]


def is_forest(
    roots: Nodes, feature: Nodes, left: Nodes, threshold: NDArray[np.floating], value: NDArray[np.floating], width: int
) -> bool:
    """Whether the compiled walks of these columns, which read without bounds, stay inside and come to an end on rows of
    that width, each tree among its own nodes: so a row meets no node twice. And whether all sums have a value.
    """
    n = len(feature)
    if not (len(left) == len(threshold) == len(value) == n > 0 and len(roots) > 0):
        return False
    if roots[0] != 0 or roots[-1] >= n or (roots[1:] <= roots[:-1]).any():
        return False
    inner = np.flatnonzero(feature != LEAF)
    end = np.append(roots[1:], n)[np.searchsorted(roots, inner, side="right") - 1]
    return bool(
        ((feature >= LEAF) & (feature < width)).all()
        and ((left[inner] > inner) & (left[inner] < end - 1)).all()
        and (np.abs(value) <= LARGEST_VALUE).all()
        and np.isfinite(threshold).all()
    )


@njit(cache=True)
def add_leaves(
    roots: Nodes,
    feature: Nodes,
    left: Nodes,
    threshold: NDArray[np.floating],
    value: NDArray[np.floating],
    rows: Single,
    out: NDArray[np.floating],
) -> None:
    """Add to each row's `out` what its leaves add, tree after tree, in the precision of `out` and `value`.

    Rows go through a tree together, BLOCK at a time: so the tree stays in the processor's cache.
    """
    for start in range(0, len(rows), BLOCK):
        stop = min(start + BLOCK, len(rows))
        for root in roots:
            for i in range(start, stop):
                node = root
                while feature[node] >= 0:
                    node = left[node] + (1 if rows[i, feature[node]] > threshold[node] else 0)
                out[i] += value[node]


@njit(cache=True)
def rises(
    roots: Nodes,
    feature: Nodes,
    left: Nodes,
    threshold: NDArray[np.floating],
    value: NDArray[np.floating],
    rows: Single,
    width: int,
    sign: float,
) -> NDArray[np.float64]:
    """(n, width) by how much the splits on each feature raised `sign` · value in all, 0 where they lowered it.

    Feature f of the trees is feature f mod `width` of the result.
    """
    out = np.zeros((len(rows), width))
    for i in range(len(rows)):
        for root in roots:
            node = root
            while feature[node] >= 0:
                f = feature[node]
                below = left[node] + (1 if rows[i, f] > threshold[node] else 0)
                out[i, f % width] += sign * (np.float64(value[below]) - np.float64(value[node]))
                node = below
        for j in range(width):
            if out[i, j] < 0.0:
                out[i, j] = 0.0
    return out
