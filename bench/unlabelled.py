"""How well models that know no labels find synthetic anomalies, in the rows of the days after those they learned from.

    python -m bench unlabelled

A service or host is learned for seven days, anomalies of the same rate among them, without a word of which; the thirty
days that follow go through the scoring worker's own stage, each entity with its own threshold. Judged are intervals of
the grid that anomalies lie on: one counts as flagged where at least half of its vectors are. A service has one each ten
seconds, which speaks of the minute before it: it is the interval's where that minute is (of an interval of a minute the
last alone). A host has one an interval. Episodes are found where any vector is flagged, false where a run of flagged
intervals touches none.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from bench.machine import describe
from models.features.service import WINDOWS
from models.registry import Aliases, Registry
from models.table import tables_of
from models.train import TrainPolicy, train
from schemas.columns import Vectors
from schemas.records import decode
from schemas.vectors import decode_vectors
from workers.cli.offline import Feed, feature_records, select
from workers.scoring.stage import build
from workers.settings import load_settings
from workers.sources.synthetic.attacks import ATTACKS
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import DAY, MINUTE, Plan, Profile
from workers.sources.synthetic.truth import Truth, schedule

LEARNED, JUDGED = 7, 30
FIRST_SEED = 200
"""Other data than what choices were made on (docs/detection.md)."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Case:
    """What is made up: the share of anomalous intervals, how long one is (minutes) and how many an episode lasts."""

    profile: Profile
    rate: float = 0.05
    minutes: int = 5
    episode: tuple[int, int] = (1, 1)
    attacks: tuple[str, ...] = ()

    def plan(self, seed: int) -> Plan:
        interval = self.minutes * MINUTE
        days = float(LEARNED + JUDGED)
        return Plan(self.profile, days, interval, 1, self.rate, self.episode, seed, attacks=self.attacks)

    def __str__(self) -> str:
        shortest, longest = self.episode
        what = "attacks" if self.attacks else "episodes"
        return f"{self.profile}, {self.rate:.0%} of {self.minutes} min, {what} of {shortest} to {longest}"


CASES = (
    Case("service"),
    Case("service", rate=0.01),
    Case("service", rate=0.10),
    Case("service", minutes=1),
    Case("service", minutes=15),
    Case("host", episode=(3, 12)),
    Case("host"),
    Case("host", episode=(3, 12), attacks=tuple(ATTACKS)),
)


def one(case: Case, seed: int) -> Mapping[str, float]:
    """Learn without labels, score what follows, and count what was flagged."""
    truth = schedule(case.plan(seed))
    until = truth.plan.start + LEARNED * DAY
    settings = load_settings({})
    with TemporaryDirectory() as folder:
        settings = settings.with_registry(folder)
        stored: list[Vectors] = []
        flagged: list[tuple[int, bool]] = []
        feed: Feed | None = None
        for outputs in feature_records(generate(truth), settings):
            if feed is None:
                early = select(outputs, lambda block: (block.window_end <= until).tolist())
                stored += decode_vectors([one.value for one in early])[0]
            late = select(outputs, lambda block: (block.window_end > until).tolist())
            if late and feed is None:
                _learn(stored, Registry(folder), seed)
                feed = Feed(build(settings), settings.topics.features)
            if late and feed is not None:
                scores = [one.value for one in feed.take_outputs(late) if one.topic == settings.topics.scores]
                flagged += [(s["window_end"], s["is_anomaly"]) for s in decode("Score", scores)[0] if s is not None]
    return _counted(truth, until, np.array(flagged, np.int64))


def _learn(stored: list[Vectors], registry: Registry, seed: int) -> None:
    for table in tables_of(stored):
        bundle = train(table, policy=TrainPolicy(seed=seed))
        registry.save(bundle.manifest, bundle.files)
        registry.promote(bundle.manifest.profile, bundle.manifest.scope, Aliases(bundle.version))


def _counted(truth: Truth, until: int, flagged: NDArray[np.int64]) -> Mapping[str, float]:
    plan = truth.plan
    cell = (flagged[:, 0] - 1 - plan.start) // plan.interval  # windows end after what they hold
    told = WINDOWS[0] if plan.profile == "service" else 1
    kept = (cell >= 0) & (cell < plan.intervals) & ((flagged[:, 0] - told - plan.start) // plan.interval == cell)
    cell, hit = cell[kept], flagged[kept, 1].astype(np.bool_)
    vectors = np.bincount(cell, minlength=plan.intervals)
    hits = np.bincount(cell, hit, minlength=plan.intervals)
    judged = np.arange(plan.intervals) >= (until - plan.start) // plan.interval
    verdict, anomalous = 2 * hits >= np.maximum(vectors, 1), truth.anomalous()[0]
    found = [bool(hits[a : b + 1].any()) for a, b in zip(truth.first, truth.last, strict=True) if judged[a]]
    beside = anomalous | np.append(anomalous[1:], False) | np.append(False, anomalous[:-1])
    runs = verdict & judged & ~np.append(False, verdict[:-1])
    return {
        "true": float((verdict & anomalous & judged).sum()),
        "false": float((verdict & ~anomalous & judged).sum()),
        "missed": float((~verdict & anomalous & judged).sum()),
        "quiet": float((~verdict & ~anomalous & judged).sum()),
        "episodes": float(len(found)),
        "found": float(sum(found)),
        "false_runs": float((runs & ~beside).sum()),
        "days": float(JUDGED),
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=20, help="data sets of each case")
    asked.add_argument("--case", type=int, help="only the case of this number")
    options = asked.parse_args()
    print(describe())
    print(f"pooled over {options.seeds} seeds x {JUDGED} days: precision, recall, false-positive rate of intervals; ")
    print("episodes found, false runs a day")
    for case in CASES if options.case is None else [CASES[options.case]]:
        each = [one(case, FIRST_SEED + seed) for seed in range(options.seeds)]
        n = {name: sum(found[name] for found in each) for name in each[0]}
        precision, recall = n["true"] / (n["true"] + n["false"]), n["true"] / (n["true"] + n["missed"])
        print(
            f"{case!s:<48} {precision:.4f} {recall:.4f} {n['false'] / (n['false'] + n['quiet']):.4%}   "
            f"{n['found'] / n['episodes']:.4f} {n['false_runs'] / n['days']:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
