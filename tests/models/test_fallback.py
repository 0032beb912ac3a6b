"""The untrained rule: opens on what matters, stays quiet on noise, and says when it knows too little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.fallback import NO_RULE, UNTRAINED, score_untrained
from models.features.frame import host_features
from models.features.generic import generic_names
from models.features.series import STATISTICS
from models.scored import Scored
from tests.models.service_traffic import NAMES, PANE_US, Pane, vectors

DAY, NIGHT = Pane(), Pane(events=6.7)
FIRST = 200  # pane of an episode's start
SIX_MINUTES = 36


def _score(values: NDArray[np.float64]) -> Scored:
    return score_untrained(NAMES, values, np.full(len(values), PANE_US, np.int64))


def _episode(usual: Pane, odd: Pane, first: int = FIRST, panes: int = SIX_MINUTES) -> Callable[[int], Pane]:
    return lambda i: odd if first <= i < first + panes else usual


def _opens(score: NDArray[np.float64], m: int = 3, n: int = 5) -> bool:
    """Whether m of n successive scores are anomalous anywhere, or one is critical."""
    flags = (score >= 1.0).astype(int)
    return bool((np.convolve(flags, np.ones(n, int)) >= m).any() or (score >= 3.0).any())


@pytest.mark.parametrize("usual", [DAY, NIGHT], ids=["day", "night"])
@pytest.mark.parametrize(
    ("kind", "odd", "metric", "up"),
    [
        ("latency", lambda u: Pane(u.events, u.errors, 10 * u.median_ms), "latency_p50_ms_1m", True),
        ("latency ×4", lambda u: Pane(u.events, u.errors, 4 * u.median_ms), "latency_p50_ms_1m", True),
        ("errors", lambda u: Pane(u.events, 0.2, u.median_ms), "errors_ratio_5m", True),
        ("traffic up", lambda u: Pane(8 * u.events, u.errors, u.median_ms), "events_count_1m", True),
        ("traffic down", lambda u: Pane(0.07 * u.events, u.errors, u.median_ms), "events_count_1m", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_six_minute_episode_opens_and_is_named(
    kind: str, odd: Callable[[Pane], Pane], metric: str, up: bool, usual: Pane
) -> None:
    values, _ = vectors(280, _episode(usual, odd(usual)), seed=len(kind))
    scored = _score(values)
    during = scored.score[FIRST : FIRST + SIX_MINUTES]
    assert _opens(during)
    assert not _opens(scored.score[:FIRST])
    worst = FIRST + int(np.argmax(during))
    assert NAMES[scored.reasons.metric[worst, 0]] == metric
    assert bool(scored.reasons.up[worst, 0]) is up
    assert scored.reasons.share[worst, 0] > 0.5


def test_a_tenfold_latency_is_seen_as_soon_as_thirty_panes_are_known() -> None:
    values, _ = vectors(31 + SIX_MINUTES, _episode(DAY, Pane(median_ms=700.0), first=31))
    scored = _score(values)
    assert not (scored.score[:31] >= 1.0).any()
    assert _opens(scored.score[31:])
    assert scored.score.max() > 3.0


def test_before_thirty_panes_nothing_is_said_but_how_many_are_missing() -> None:
    values, _ = vectors(40, _episode(DAY, Pane(median_ms=700.0), first=10, panes=30))
    scored = _score(values)
    assert (scored.score[:29] == 0.0).all()
    assert scored.note[0] == "untrained: needs 29 more intervals"
    assert scored.note[28] == "untrained: needs 1 more intervals"
    assert scored.note[29] == UNTRAINED
    assert (scored.confidence[:29] == 0.5).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("usual", [DAY, NIGHT], ids=["day", "night"])
def test_ordinary_noise_of_three_hours_opens_nothing(usual: Pane, seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    errors = np.clip(0.006 * np.exp(0.25 * rng.standard_normal(36)), 0.001, 0.02)
    latency = 70.0 * np.exp(0.02 * rng.standard_normal(36))
    values, _ = vectors(1080, lambda i: Pane(usual.events, errors[i // 30], latency[i // 30]), seed)
    scored = _score(values)
    assert not _opens(scored.score)
    assert np.mean(scored.score >= 1.0) <= 0.001


def test_the_morning_rise_from_quiet_to_busy_opens_nothing() -> None:
    def rise(i: int) -> Pane:
        x = min(max((i - 360) / 360, 0.0), 1.0)
        return Pane(events=7.3 + 26 * x * x * (3 - 2 * x))

    assert not _opens(_score(vectors(1080, rise, seed=5)[0]).score)


def test_a_service_with_an_event_a_minute_is_not_taken_for_one_that_fell() -> None:
    rng = np.random.default_rng(0)
    sparse = rng.random(720) < 1 / 6
    values, _ = vectors(720, lambda i: Pane(events=1.0 if sparse[i] else 0.0), seed=2)
    assert not _opens(_score(values).score)


def test_one_error_among_few_events_is_no_alarm() -> None:
    values, _ = vectors(300, lambda i: Pane(events=2.0, errors=0.5 if i in (200, 201) else 0.0), seed=3)
    assert not _opens(_score(values).score)


def test_a_vector_scores_the_same_alone_and_in_company() -> None:
    values, _ = vectors(260, _episode(DAY, Pane(median_ms=300.0, errors=0.1)), seed=9)
    together = _score(values)
    for i in range(0, 260, 13):
        alone = _score(values[i : i + 1])
        assert alone.score.tobytes() == together.score[i : i + 1].tobytes()
        assert alone.confidence.tobytes() == together.confidence[i : i + 1].tobytes()
        assert alone.reasons.share.tobytes() == together.reasons.share[i : i + 1].tobytes()
        assert alone.reasons.high.tobytes() == together.reasons.high[i : i + 1].tobytes()
        assert alone.note == [together.note[i]]


def test_the_expected_range_is_where_nothing_would_be_flagged() -> None:
    values, _ = vectors(280, _episode(DAY, Pane(median_ms=700.0)))
    scored = _score(values)
    worst = int(np.argmax(scored.score))
    assert scored.reasons.actual[worst, 0] == pytest.approx(700.0, rel=0.15)
    assert 130.0 < scored.reasons.high[worst, 0] < 250.0


def test_missing_values_everywhere_score_nothing_and_raise_nothing() -> None:
    scored = _score(np.full((3, len(NAMES)), np.nan))
    assert (scored.score == 0.0).all()
    assert (scored.reasons.metric == -1).all()
    assert scored.note[0] == "untrained: needs 30 more intervals"


class TestSamples:
    """Any metrics, by their statistics over the last 30 samples."""

    NAMES = generic_names(("cpu_ratio", "queue"))

    def _vector(self, **metrics: NDArray[np.float64]) -> NDArray[np.float64]:
        """The vector of the newest of 30 samples of each metric."""
        out = np.full((1, len(self.NAMES)), np.nan)
        for metric, x in metrics.items():
            before = x[:-1]
            known = {
                "": x[-1],
                "mean_30": x.mean(),
                "std_30": x.std(ddof=1),
                "z_30": np.clip(
                    (x[-1] - before.mean()) / max(before.std(ddof=1), 0.01 * abs(before.mean()), 1e-9), -100, 100
                ),
            }
            for feature in STATISTICS:
                if feature.name in known:
                    out[0, self.NAMES.index(f"{metric}__{feature.name}" if feature.name else metric)] = known[
                        feature.name
                    ]
        return out

    def _score(self, values: NDArray[np.float64]) -> Scored:
        return score_untrained(self.NAMES, values, np.full(len(values), 60_000_000, np.int64))

    def test_a_tenfold_value_is_critical_at_once_and_named(self) -> None:
        rng = np.random.default_rng(0)
        usual = 50 + rng.normal(size=30)
        odd = usual.copy()
        odd[-1] = 500.0
        scored = self._score(self._vector(cpu_ratio=rng.random(30) * 0.1 + 0.4, queue=odd))
        assert scored.score[0] >= 3.0
        assert self.NAMES[scored.reasons.metric[0, 0]] == "queue"
        assert scored.reasons.high[0, 0] < 100.0

    def test_noise_is_not_flagged(self) -> None:
        rng = np.random.default_rng(1)
        rows = [self._vector(cpu_ratio=rng.random(30), queue=rng.normal(size=30)) for _ in range(300)]
        assert (self._score(np.concatenate(rows)).score >= 1.0).sum() == 0

    def test_the_first_move_of_a_metric_that_never_moved_is_no_alarm(self) -> None:
        still = np.zeros(30)
        still[-1] = 1.0
        scored = self._score(self._vector(cpu_ratio=np.random.default_rng(2).random(30), queue=still))
        assert 0.0 < scored.score[0] <= 0.5


class TestMachines:
    """A processor that starts up, rests, is burnt for half a minute and rests again, sample by sample."""

    BURN, OVER, SECONDS = 90, 120, 240

    def _scored(self, step: int, seed: int, starting: float = 10.0) -> Scored:
        rng = np.random.default_rng(seed)
        t = np.arange(0, self.SECONDS, step)
        cpu = np.abs(0.08 + 0.02 * rng.standard_normal(len(t)))
        cpu[t < starting] = 0.9
        cpu[(t >= self.BURN) & (t < self.OVER)] = 0.98
        names, values = host_features(1_700_000_400_000_000 + t * 1_000_000, cpu[:, None], ["cpu_ratio"])
        return score_untrained(names, values, np.full(len(t), step * 1_000_000, np.int64))

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("step", [1, 5])
    def test_a_burn_opens_at_its_beginning_and_neither_start_nor_end_does(self, step: int, seed: int) -> None:
        score = self._scored(step, seed).score
        assert not (score[: self.BURN // step] >= 1.0).any()
        assert _opens(score[self.BURN // step : self.BURN // step + 5])
        assert not (score[self.OVER // step :] >= 1.0).any()

    def test_a_start_within_the_memory_does_not_hide_it(self) -> None:
        assert _opens(self._scored(5, 0, starting=20.0).score[self.BURN // 5 : self.BURN // 5 + 5])

    def test_what_lasts_is_told_with_what_came_before_it(self) -> None:
        scored = self._scored(5, 0)
        third = self.BURN // 5 + 2
        assert scored.reasons.up[third, 0]
        assert scored.reasons.actual[third, 0] == 0.98
        assert 0.1 < scored.reasons.high[third, 0] < 0.4


def test_features_without_a_rule_score_nothing_and_say_so() -> None:
    scored = score_untrained(("a__b", "c"), np.ones((2, 2)), np.full(2, 10, np.int64))
    assert (scored.score == 0.0).all()
    assert scored.note == [NO_RULE, NO_RULE]
