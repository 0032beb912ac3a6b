"""Scoring one block of vectors: who scores which rows, batch by batch of one model and period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.clocks import misjudged
from models.fallback import score_untrained
from models.naming import feature_names
from models.periods import PERIODS, Calendar, Places
from models.severity import SeverityCuts
from schemas.columns import Vectors
from workers.scoring.loading import Loading
from workers.scoring.lookup import Lookup
from workers.scoring.scores import (
    CHALLENGER,
    CHAMPION,
    UNTRAINED,
    ModelName,
    Record,
    clock_records,
    score_records,
    silence_records,
)

Rows = NDArray[np.intp]


def score_block(
    block: Vectors, lookup: Lookup, loading: Loading, cuts: SeverityCuts, counts: Counter[str]
) -> Iterator[tuple[int, Record]]:
    """Scores of a block's rows, in no particular order of rows, a row's challenger behind its champion.

    Counts `silent`, `wrong_clock`, `fallback`, `champion`, `challenger`, `refused_feature_set` (rows for which a
    bundle of another feature set was passed over) and `unknown_metrics` (values that a model did not learn).
    """
    silent = np.flatnonzero(block.silent).tolist()
    counts["silent"] += len(silent)
    yield from silence_records(block, silent, cuts)
    wrong = ~block.silent & misjudged(block.event_count, block.late_count, block.skewed_count)
    counts["wrong_clock"] += int(wrong.sum())
    yield from clock_records(block, np.flatnonzero(wrong).tolist())
    champions: dict[str, tuple[Bundle, list[int]]] = {}
    challengers: dict[str, tuple[Bundle, list[int]]] = {}
    untrained: list[int] = []
    for row in np.flatnonzero(~block.silent & ~wrong).tolist():
        serving = lookup.serving(block.profile, block.feature_set, block.entity[row])
        counts["refused_feature_set"] += serving.refused > 0
        if serving.champion is None:
            untrained.append(row)
        else:
            champions.setdefault(serving.champion.version, (serving.champion, []))[1].append(row)
        if serving.challenger is not None:
            challengers.setdefault(serving.challenger.version, (serving.challenger, []))[1].append(row)
    names = block.names or feature_names(block.feature_set, block.values.shape[1])
    places: dict[Calendar, Places] = {}  # bundles of one training share their calendar
    if untrained:
        counts["fallback"] += len(untrained)
        scored = score_untrained(names, block.values[untrained], (block.window_end - block.window_start)[untrained])
        yield from score_records(block, untrained, names, scored, UNTRAINED, cuts)
    for role, served in ((CHAMPION, champions), (CHALLENGER, challengers)):
        for bundle, rows in served.values():
            counts[role] += len(rows)
            counts["unknown_metrics"] += len(rows) * _unknown(bundle, block.names)
            calendar = bundle.manifest.calendar
            if calendar not in places:
                places[calendar] = calendar.place(block.window_end)
            yield from _by_period(block, names, np.array(rows), bundle, role, places[calendar], loading, cuts)


def _by_period(
    block: Vectors,
    names: tuple[str, ...],
    rows: Rows,
    bundle: Bundle,
    role: str,
    places: Places,
    loading: Loading,
    cuts: SeverityCuts,
) -> Iterator[tuple[int, Record]]:
    code = places.period[rows]
    for period in dict.fromkeys(PERIODS[one] for one in code.tolist()):
        here = rows[code == PERIODS.index(period)]
        served = bundle.period_for(period)
        values = bundle.align(names, block.values[here])
        scored = loading.model(bundle, served).score(values, places.take(here))
        model = ModelName.of(bundle, role, served)
        yield from score_records(block, here.tolist(), bundle.manifest.features, scored, model, cuts)


def _unknown(bundle: Bundle, names: tuple[str, ...]) -> int:
    """How many of a vector's metrics the bundle does not know; static sets have none."""
    if not names:
        return 0
    known = bundle.metrics
    return sum("__" not in name and name not in known for name in names)
