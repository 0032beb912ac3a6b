"""Scoring the vectors of one chunk: who scores which rows, by which threshold, and the records that say so.

Four passes: every model scores its rows at once; then, in record order, since each depends on what came before,
entities without a model are judged by their own errors so far, and the others' own thresholds are found; then the
records are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.clocks import misjudged
from models.detectors.graph_limits import GraphError
from models.fallback import score_untrained, usual_untrained
from models.knowledge import Knowledge
from models.model import Known, Values
from models.naming import Naming, feature_names, naming
from models.periods import ALL, PERIODS, Calendar, Places
from models.ranking import placed
from models.ripeness import unripe
from models.scored import Scored
from models.severity import SeverityCuts
from models.thresholds import Expectation, published
from schemas.columns import Vectors
from workers.runtime.errors import Fatal
from workers.scoring.judged import Judged, Learned, Rows
from workers.scoring.loading import Loading
from workers.scoring.lookup import Lookup
from workers.scoring.own_thresholds import DAY_US, SLICE_US, OwnThresholds
from workers.scoring.scores import (
    CHALLENGER,
    CHAMPION,
    UNTRAINED,
    ModelName,
    Record,
    clock_records,
    silence_records,
)

PROFILES_WITHOUT_OWN_THRESHOLDS = frozenset({"event"})
"""Their vectors come one an event and not by the clock: an hour without one says nothing."""


def judge_block(
    block: Vectors, lookup: Lookup, loading: Loading, knowledge: Knowledge, counts: Counter[str]
) -> Iterator[Judged]:
    """What the models say of a block's rows; those that are silent or of a wrong clock are left out.

    Counts `fallback`, `champion`, `challenger`, `refused_feature_set` (rows for which a bundle of another feature set
    was passed over) and `unknown_metrics` (values that a model did not learn).
    """
    champions: dict[str, tuple[Bundle, list[int]]] = {}
    challengers: dict[str, tuple[Bundle, list[int]]] = {}
    untrained: list[int] = []
    for row in np.flatnonzero(~block.silent & ~_wrong_clock(block)).tolist():
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
        rows = np.array(untrained)
        values = block.values[rows]
        ignored = _known(knowledge, block, rows)(naming(names), values, usual_untrained(names, values))
        if ignored is not None:
            values = np.where(ignored, np.nan, values)
        scored = score_untrained(names, values, (block.window_end - block.window_start)[rows])
        yield Judged(block, rows, names, scored, UNTRAINED, untrained=values)
    for role, served in ((CHAMPION, champions), (CHALLENGER, challengers)):
        for bundle, chosen in served.values():
            counts[role] += len(chosen)
            counts["unknown_metrics"] += len(chosen) * _unknown(bundle, block.names)
            calendar = bundle.manifest.calendar
            if calendar not in places:
                places[calendar] = calendar.place(block.window_end)
            rows = np.array(chosen)
            yield from _by_period(block, names, rows, bundle, role, places[calendar], loading, knowledge)


def unjudged_records(block: Vectors, cuts: SeverityCuts, counts: Counter[str]) -> Iterator[tuple[int, Record]]:
    """The records of a block's rows that no model judges. Counts `silent` and `wrong_clock`."""
    silent = np.flatnonzero(block.silent).tolist()
    counts["silent"] += len(silent)
    yield from silence_records(block, silent, cuts)
    wrong = np.flatnonzero(_wrong_clock(block)).tolist()
    counts["wrong_clock"] += len(wrong)
    yield from clock_records(block, wrong)


@dataclass(slots=True)
class Found:
    """What the entities' own thresholds were found to be, and what the log is to be told.

    `logged` gives for some records of the chunk, in order, keys and values (None: to be dropped) for the log.
    """

    judged: list[Judged]
    logged: list[tuple[int, bytes, bytes | None]]


def find_thresholds(
    own: OwnThresholds,
    judged: Sequence[Judged],
    offsets: NDArray[np.int64],
    watermarks: NDArray[np.int64],
    loading: Loading,
) -> Found:
    """Give every model's scores the thresholds of their entities, and learn from them, in record order.

    `offsets` are those of the chunk's n records, `watermarks` (n + 1,) the partition's before the first and after each.
    """
    chosen = [i for i, one in enumerate(judged) if _finds_its_own(one)]
    scores = _Scores.of(own, [judged[i] for i in chosen], loading)
    threshold, recalled = np.ones(len(scores.record)), np.zeros(len(scores.record))
    logged: list[tuple[int, bytes, bytes | None]] = []
    slices, days = watermarks // SLICE_US, watermarks // DAY_US
    start = 0
    for entered in np.flatnonzero(slices[1:] > slices[:-1]).tolist():
        stop = int(np.searchsorted(scores.record, entered, side="right"))
        _learn(own, scores, start, stop, offsets, watermarks, threshold, recalled)
        start, offset = stop, int(offsets[entered])
        came_to = range(int(slices[entered]) + 1, int(slices[entered + 1]) + 1)
        logged += [(entered, key, value) for key, value in own.log(offset, came_to)]
        if days[entered + 1] > days[entered]:
            expected = frozenset(scores.slot[stop:].tolist())
            logged += [(entered, key, None) for key in own.forget(offset, int(watermarks[entered + 1]), expected)]
    _learn(own, scores, start, len(scores.record), offsets, watermarks, threshold, recalled)
    result, at = list(judged), np.empty((len(threshold), 2))
    at[scores.order, 0], at[scores.order, 1] = threshold, recalled
    parts = np.split(at, np.cumsum([len(judged[i].rows) for i in chosen])[:-1])
    for i, part in zip(chosen, parts, strict=False):
        result[i] = replace(judged[i], scored=_published(judged[i], part[:, 0], part[:, 1]))
    return Found(result, logged)


@dataclass(frozen=True, slots=True)
class _Scores:
    """Scores of several judgements in record order; `order` are their places, judgement by judgement."""

    order: NDArray[np.intp]
    record: NDArray[np.int64]
    slot: NDArray[np.int64]
    time: NDArray[np.int64]
    score: NDArray[np.float64]
    mean: NDArray[np.float64]
    model: NDArray[np.int64]

    @classmethod
    def of(cls, own: OwnThresholds, judged: Sequence[Judged], loading: Loading) -> _Scores:
        record, slot, time, model = ([np.empty(0, np.int64)] for _ in range(4))
        score, mean = [np.empty(0)], [np.empty(0)]
        for one in judged:
            block, rows = one.block, one.rows
            assert one.by is not None
            owners = [own.slot((block.profile, one.said.role, block.entity[row])) for row in rows.tolist()]
            record.append(block.at[rows].astype(np.int64))
            slot.append(np.array(owners, np.int64))
            time.append(block.window_end[rows])
            model.append(np.full(len(rows), _model_code(own, one.by.bundle, loading), np.int64))
            score.append(one.scored.score)
            mean.append(one.scored.mean)
        order = np.argsort(np.concatenate(record), kind="stable")
        record_, slot_, time_, model_ = (np.concatenate(parts)[order] for parts in (record, slot, time, model))
        score_, mean_ = (np.concatenate(parts)[order] for parts in (score, mean))
        return cls(order, record_, slot_, time_, score_, mean_, model_)


def _learn(
    own: OwnThresholds,
    scores: _Scores,
    start: int,
    stop: int,
    offsets: NDArray[np.int64],
    watermarks: NDArray[np.int64],
    threshold: NDArray[np.float64],
    recalled: NDArray[np.float64],
) -> None:
    """The thresholds of the scores [start, stop), in whose course nothing is logged, and what is recalled there."""
    if start == stop:
        return
    part = slice(start, stop)
    slot, record = scores.slot[part], scores.record[part]
    learn = own.logged_before(slot, offsets[record])
    score, mean = scores.score[part], scores.mean[part]
    threshold[part], recalled[part], changed = own.columns.step(
        slot, scores.time[part], score, mean, scores.model[part], learn
    )
    for place in np.flatnonzero(changed).tolist():
        own.touched(int(slot[place]), int(offsets[record[place]]), int(watermarks[record[place]]))


def _published(judged: Judged, threshold: NDArray[np.float64], recalled: NDArray[np.float64]) -> Scored:
    assert judged.by is not None
    scored, model = judged.scored, judged.by.model
    score = published(scored.score, threshold)
    missing = f"; {model.calibration.missing}" if model.calibration.missing else ""
    note = [
        f"own threshold {t:.2f}{missing}" if s >= 1.0 else "" for s, t in zip(score.tolist(), threshold, strict=True)
    ]
    sure = model.calibration.confidence(score)
    return replace(scored, score=placed(score, threshold, scored.mean, recalled), confidence=sure, note=note)


def _finds_its_own(judged: Judged) -> bool:
    if judged.by is None or judged.by.bundle.manifest.by_labels:
        return False
    return judged.block.profile not in PROFILES_WITHOUT_OWN_THRESHOLDS


def _model_code(own: OwnThresholds, bundle: Bundle, loading: Loading) -> int:
    """The number of a model whose expectation is known; that of its model of all hours."""
    if not own.columns.knows(bundle.version):
        training = bundle.manifest.training
        model = loading.model(bundle, ALL)
        expectation = Expectation.of(model.episodes, training.alpha, training.rows_a_day, model.known, model.valley)
        own.columns.expect(bundle.version, expectation)
    return own.columns.model_code(bundle.version)


def _by_period(
    block: Vectors,
    names: tuple[str, ...],
    rows: Rows,
    bundle: Bundle,
    role: str,
    places: Places,
    loading: Loading,
    knowledge: Knowledge,
) -> Iterator[Judged]:
    code = places.period[rows]
    for period in dict.fromkeys(PERIODS[one] for one in code.tolist()):
        here = rows[code == PERIODS.index(period)]
        served = bundle.period_for(period)
        values = block.values[here]
        young = unripe(names, values, (block.window_end - block.window_start)[here])
        if young is not None:
            values = np.where(young, np.nan, values)
        values = bundle.align(names, values)
        model = loading.model(bundle, served)
        there = places.take(here)
        try:
            scored = model.score(values, there, _known(knowledge, block, here))
        except GraphError as error:
            what = f"{bundle.manifest.profile} {bundle.manifest.scope} {bundle.version}"
            raise Fatal(f"{what} cannot score: {error}", "Promote another version") from error
        by, said = Learned(bundle, model, values, there), ModelName.of(bundle, role, served)
        yield Judged(block, here, bundle.manifest.features, scored, said, by)


def _known(knowledge: Knowledge, block: Vectors, rows: Rows) -> Known:
    """What is known of the metrics of these rows, as a model asks for it."""

    def ignored(naming: Naming, values: Values, expected: Values) -> NDArray[np.bool_] | None:
        entities = [block.entity[row] for row in rows.tolist()]
        return knowledge.harmless(naming, entities, values, expected, block.event_count[rows])

    return ignored


def _wrong_clock(block: Vectors) -> NDArray[np.bool_]:
    """Rows that say more about their producer's clock than about what it measures."""
    wrong: NDArray[np.bool_] = ~block.silent & misjudged(block.event_count, block.late_count, block.skewed_count)
    return wrong


def _unknown(bundle: Bundle, names: tuple[str, ...]) -> int:
    """How many of a vector's metrics the bundle does not know; static sets have none, nor has what the hash covers."""
    if not names or naming(names).service:
        return 0
    known = bundle.metrics
    return sum("__" not in name and name not in known for name in names)
