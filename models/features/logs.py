"""Features of an entity's log messages: how many of each kind, over one pane and each rolling window.

Which kinds there are is frozen (`models.logs.templates`); the hash of their file is in every formula, so vectors that
were counted by other templates are of another set. Every formula is element-wise, so a row's features do not depend on
the rows beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.features.service import (
    ACTIVE,
    COUNT,
    ERRORS,
    PANE,
    PATHS,
    WARNINGS,
    WINDOWS,
    divide,
    reference_stretch,
    stretch_name,
    write_times,
    z_score,
)
from models.features.sets import Feature, FeatureSet
from models.features.time import TIME_FEATURES
from models.logs.names import NEW, OTHER

VERSION = 1

Values = NDArray[np.float64]


def log_set(
    metrics: Sequence[str],
    templates: str,
    profile: str = "logs",
    pane: int = PANE,
    windows: Sequence[int] = WINDOWS,
) -> FeatureSet:
    """The features for counted templates, called by these metrics, of the file whose hash is `templates`."""
    return FeatureSet(profile, VERSION, tuple(_features(metrics, templates, pane, windows)))


def log_features(
    stats: Values, cells: Values, baseline: Values, window_end: NDArray[np.int64], reference: int, counted: int
) -> Values:
    """Features of n rows, in the order of `log_set(…).names`; NaN where undefined.

    `stats` (n, stretches, …) and `baseline` (n, …) as `models.features.service` has them, distinct kinds in the place
    of distinct paths; `cells` (n, stretches, counted + 1 + slots): lines of each counted template, of all others, and
    of each slot of new kinds. `reference` is the stretch that is compared with the baseline.
    """
    n, stretches, _ = stats.shape
    width = 7 + counted
    out = np.empty((n, width * stretches + (2 + counted) + 3 + len(TIME_FEATURES)))
    new = cells[:, :, counted + 1 :]
    new_lines = np.zeros((n, stretches))
    for slot in range(new.shape[2]):  # one after the other: the same sum alone and in company
        new_lines += new[:, :, slot]
    for s in range(stretches):
        of, at = stats[:, s], width * s
        out[:, at] = of[:, COUNT]
        out[:, at + 1] = divide(of[:, ERRORS], of[:, COUNT])
        out[:, at + 2] = divide(of[:, WARNINGS], of[:, COUNT])
        out[:, at + 3] = of[:, PATHS]
        out[:, at + 4] = new_lines[:, s]
        out[:, at + 5] = np.count_nonzero(new[:, s], axis=1)
        out[:, at + 6 : at + 7 + counted] = np.roll(cells[:, s, : counted + 1], 1, axis=1)
    at, longest = width * stretches, stats[:, -1, COUNT]
    out[:, at] = divide(new_lines[:, -1], longest)
    out[:, at + 1] = divide(cells[:, -1, counted], longest)
    for place in range(counted):
        out[:, at + 2 + place] = divide(cells[:, -1, place], longest)
    at += 2 + counted
    rate = divide(stats[:, reference, COUNT], stats[:, reference, ACTIVE])
    errors = divide(stats[:, reference, ERRORS], stats[:, reference, COUNT])
    out[:, at] = z_score(rate, baseline[:, 1], baseline[:, 2], 0.05, 1e-9)
    out[:, at + 1] = z_score(errors, baseline[:, 3], baseline[:, 4], 0.05, 0.005)
    out[:, at + 2] = stats[:, -1, ACTIVE]
    write_times(window_end, out, at + 3)
    return out


def _features(metrics: Sequence[str], templates: str, pane: int, windows: Sequence[int]) -> Iterator[Feature]:
    stretches = [f"the pane of {stretch_name(pane)}", *(f"the last {stretch_name(window)}" for window in windows)]
    suffixes = ["", *(f"_{stretch_name(window)}" for window in windows)]
    by = f"templates {templates}"
    for stretch, suffix in zip(stretches, suffixes, strict=True):
        yield Feature(f"events_count{suffix}", "lines", f"n, the sum of weights over {stretch}")
        yield Feature(f"errors_ratio{suffix}", "ratio", f"weight of errors / n over {stretch}")
        yield Feature(f"warnings_ratio{suffix}", "ratio", f"weight of warnings / n over {stretch}")
        text = f"distinct kinds over {stretch}, by linear counting in 256 bits"
        yield Feature(f"kinds_count{suffix}", "kinds", text)
        yield Feature(f"{NEW}__count{suffix}", "lines", f"weight of what none of the {by} matches, over {stretch}")
        text = f"distinct kinds among these over {stretch}, by their hashes modulo 16"
        yield Feature(f"{NEW}__kinds{suffix}", "kinds", text)
        text = f"weight of what matches a template without features of its own, over {stretch}"
        yield Feature(f"{OTHER}__count{suffix}", "lines", text)
        for metric in metrics:
            yield Feature(f"{metric}__count{suffix}", "lines", f"weight of what this template matches, over {stretch}")
    for metric in (NEW, OTHER, *metrics):
        yield Feature(f"{metric}__share{suffixes[-1]}", "ratio", f"its count / n over {stretches[-1]}")
    at = stretches[reference_stretch(windows)]
    past = "mean and standard deviation over its 10-minute panes of the last 24 h, at least 6"
    yield Feature("events_z_24h", "ratio", f"(r − m) / max(s, 0.05·|m|), r lines per pane with lines in {at}; {past}")
    yield Feature("errors_z_24h", "ratio", f"(e − m) / max(s, 0.05·|m|, 0.005), e share of errors in {at}; {past}")
    text = f"panes with lines in {stretches[-1]}: how much stands behind the others"
    yield Feature(f"panes_count{suffixes[-1]}", "panes", text)
    yield from TIME_FEATURES


LOGS = log_set(('messages "<template>"',), "<hash>")
"""What the page of features shows: one metric stands for each counted template."""
