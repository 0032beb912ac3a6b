"""Pictures say what is to be seen, and can be drawn of anything that can be judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from models.evaluation.pictures.confusion import draw_confusion
from models.evaluation.pictures.correlations import draw_correlations
from models.evaluation.pictures.curves import draw_precision_recall, draw_roc
from models.evaluation.pictures.distribution import draw_distribution
from models.evaluation.pictures.gallery import Exhibit, draw
from models.evaluation.pictures.importance import Blame, draw_importance
from models.evaluation.pictures.metrics import Metrics
from models.evaluation.pictures.rhythm import draw_rhythm
from models.evaluation.pictures.spreads import draw_spreads
from models.evaluation.pictures.style import labels, percent
from models.evaluation.pictures.timeline import draw_timeline
from models.evaluation.points import Confusion
from models.evaluation.streams import Rows, Stream
from tests.models.evaluation.streams import random_stream, stream

NOBODY = Blame((), np.empty(0), np.empty(0), 0)
HOUR = 3_600_000_000


def _metrics(streams: list[Stream], width: int, seed: int = 0) -> Metrics:
    """Noise; `m0` follows the hour of day, `m1` follows `m0`, `m2` jumps in anomalous rows."""
    rng = np.random.default_rng(seed)
    time = np.concatenate([one.time for one in streams])
    label = np.concatenate([one.label for one in streams])
    entity = np.repeat(np.arange(len(streams)), [len(one) for one in streams])
    values = rng.normal(size=(len(time), width))
    values[:, 0] += 5 * np.sin(time / HOUR * np.pi / 12)
    if width > 2:
        values[:, 1] = values[:, 0] + 0.01 * values[:, 1]
        values[label, 2] += 20
    names = tuple(f"m{j}" for j in range(width))
    return Metrics(names, tuple(one.entity for one in streams), entity, time, values, label, True)


def _confusion(streams: list[Stream]) -> Figure:
    rows = Rows.of(streams)
    return draw_confusion(Confusion.of(rows.flagged, rows.label))


def _week(entity: str = "db") -> Stream:
    """Hourly; two events, of which one is found, and a false alarm."""
    truth = "." * 20 + "###" + "." * 77 + "###" + "." * 65
    alarms = "." * 21 + "#" + "." * 38 + "#" + "." * 107
    return stream(truth, alarms, minutes=60, entity=entity)


@pytest.mark.parametrize(
    ("drawn", "finding"),
    [
        (lambda s: _confusion([s]), "50% of flagged rows are right; 17% of anomalous ones are found"),
        (lambda s: draw_timeline([s], True), "1 of 2 events found, 1 false alarm in 7 entity-days"),
        (lambda s: draw_distribution([s], True), "17% of the anomalous rows score 1 or more, 0.6% of the normal ones"),
        (lambda s: draw_roc([s]), "An anomalous row scores above a normal one 58% of the time"),
        (lambda s: draw_precision_recall([s], 0.9), "At no threshold are 90% of the flagged rows right"),
        (lambda s: draw_precision_recall([s], 0.5), "Up to 17% can be found with 50% of the flagged rows right"),
        (lambda s: draw_correlations(_metrics([s], 4)), "m0 and m1 move together most (1.00)"),
        (lambda s: draw_spreads(_metrics([s], 4)), "Alone, m2 sets anomalous rows apart best (AUC 1.00)"),
    ],
)
def test_the_title_is_the_finding(drawn: Callable[[Stream], Figure], finding: str) -> None:
    assert drawn(_week()).get_suptitle() == finding


def test_a_daily_rhythm_is_seen_and_what_moves_as_one_is_shown_once() -> None:
    figure = draw_rhythm(_metrics([_week()], 4))
    assert figure.get_suptitle().startswith(("m0 follows the hour of day most", "m1 follows the hour of day most"))
    shown = {axes.get_ylabel() for axes in figure.axes} - {""}
    assert shown in ({"m0", "m2", "m3"}, {"m1", "m2", "m3"})


def test_blame_is_divided_by_whether_alarms_were_right() -> None:
    blame = Blame(("cpu", "disk"), np.array([0.1, 0.4]), np.array([0.2, 0.0]), 10)
    figure = draw_importance(blame, labelled=True)
    assert figure.get_suptitle() == "What raises alarms: disk 40%, cpu 30%"
    assert "30% is spread over others" in figure.get_supxlabel()


_ODD = {
    "one row": [stream(".", ".")],
    "one row, flagged": [stream("#", "#")],
    "no event": [stream("." * 40, "." * 30 + "#" * 10)],
    "no alarm": [stream("." * 20 + "#" * 5 + "." * 20, "." * 45)],
    "only anomalies": [stream("#" * 30, "#" * 30)],
    "many entities": [random_stream(seed, 60, entity=f"production/checkout-{seed}") for seed in range(14)],
}


@pytest.mark.parametrize("streams", _ODD.values(), ids=_ODD)
def test_whatever_can_be_judged_can_be_drawn(streams: list[Stream]) -> None:
    for figure in (draw_roc(streams), draw_precision_recall(streams, None), _confusion(streams)):
        assert figure.get_suptitle()
    for draw_one in (draw_timeline, draw_distribution):
        assert draw_one(streams, True).get_suptitle()
        assert draw_one(streams, False).get_suptitle()


@pytest.mark.parametrize(("case", "width"), [("one row", 3), ("no event", 50), ("only anomalies", 2)])
def test_metrics_of_whatever_can_be_judged_can_be_drawn(case: str, width: int) -> None:
    metrics = _metrics(_ODD[case], width)
    for draw_metrics in (draw_correlations, draw_spreads, draw_rhythm):
        assert draw_metrics(metrics).get_suptitle()


def test_metrics_that_are_missing_or_constant_are_left_out() -> None:
    metrics = _metrics([_week()], 6)
    metrics.values[:, 3], metrics.values[:, 4] = np.nan, 1.0
    metrics.values[::2, 5] = np.nan
    again = Metrics(
        *(getattr(metrics, name) for name in (*("names", "entities", "entity", "time", "values", "label"), "labelled"))
    )
    assert again.varying.tolist() == [0, 1, 2, 5]
    assert "2 that do not vary are left out" in draw_correlations(again).get_supxlabel()
    assert np.isfinite(again.correlation).all()


def test_pictures_become_files_of_what_there_is(tmp_path: Path) -> None:
    written = draw(Exhibit([_week()], False, NOBODY), tmp_path / "out")
    assert [path.stem for path in written] == ["score_distribution", "feature_importance", "timeline"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (1, "100%"), (0.5, "50%"), (0.0123, "1.2%"), (0.0014, "0.14%")])
def test_shares_have_as_many_digits_as_they_need(share: float, text: str) -> None:
    assert percent(share) == text


def test_long_names_keep_what_tells_them_apart() -> None:
    names = [f"production/eu-west-1/checkout-service-{number}/latency_ms" for number in range(12)]
    short = labels(names)
    assert len(set(short)) == 12
    assert max(map(len, short)) <= 28
    assert labels(["cpu", "disk"]) == ["cpu", "disk"]
    assert labels([]) == []
