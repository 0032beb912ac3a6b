"""VUS-PR is the published definition, counted row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.evaluation.streams import Stream, spans
from models.evaluation.volume import buffered, vus_pr
from tests.models.evaluation.streams import random_stream, stream


def _slowly(rows: Stream, widest: int) -> float:
    """Each buffer and each threshold by itself."""
    areas = []
    ranked = np.sort(rows.score)[::-1]
    for buffer in range(widest + 1):
        weight = buffered(rows.label, buffer)
        events = spans(weight > 0)
        area, before = 0.0, 0.0
        for place in np.linspace(0, len(rows) - 1, 250).astype(int):
            flagged = rows.score >= ranked[place]
            found = weight[flagged].sum()
            positives = rows.label.sum() + weight[flagged & ~rows.label].sum() / 2
            touched = np.mean([flagged[first : last + 1].any() for first, last in events])
            recall = min(found / positives, 1.0) * touched
            area += (recall - before) * found / flagged.sum()
            before = recall
        areas.append(area)
    return float(np.mean(areas))


@pytest.mark.parametrize(("seed", "decimals"), [(0, 8), (1, 1)])
def test_the_volume_is_what_counting_each_threshold_gives(seed: int, decimals: int) -> None:
    rows = random_stream(seed, decimals=decimals)
    assert vus_pr(rows) == pytest.approx(_slowly(rows, 20))  # 100 minutes are 20 rows


def test_a_perfect_ranking_has_a_volume_near_one_and_a_random_one_is_near_the_share_of_anomalies() -> None:
    truth = "." * 100 + "#" * 40 + "." * 360
    perfect = vus_pr(stream(truth, truth))
    assert perfect > 0.85
    rng = np.random.default_rng(0)
    assert vus_pr(stream(truth, truth, rng.random(500).tolist())) < 0.25


def test_weights_fall_from_the_edges_of_events_and_stay_within_one() -> None:
    weight = buffered(np.array([*[False] * 3, True, *[False] * 2, True, False]), 4)
    slope = [math.sqrt(0.75), math.sqrt(0.5)]
    between = min(1.0, slope[0] + slope[1])
    assert weight.tolist() == pytest.approx([0, slope[1], slope[0], 1, between, between, 1, slope[0]])


@pytest.mark.parametrize("truth", ["....", "####"])
def test_without_rows_of_both_kinds_there_is_no_volume(truth: str) -> None:
    assert math.isnan(vus_pr(stream(truth, "....")))
