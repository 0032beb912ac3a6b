"""How well models that learned from labels find synthetic anomalies of the days after, of other seeds.

    python -m bench labels

A host or service learns for some days, whose truth it is told, and is judged on the seven days that follow, row by row
and by episode. Hosts are sampled every five minutes; the rows of services are their panes of ten seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.machine import describe
from models.bundle import Bundle, open_bundle
from models.evaluation.points import Confusion, Sweep
from models.knowledge import Knowledge
from models.labels import ANOMALOUS, episodes
from models.manifest import MANIFEST
from models.naming import Naming
from models.periods import ALL
from models.table import VectorTable, tables_of
from models.thresholds import Series
from models.train import TrainPolicy, train
from workers.cli.labels import KnownLabels
from workers.cli.offline import vector_blocks
from workers.settings import load_settings
from workers.sources.save import save_truth
from workers.sources.synthetic.attacks import ATTACKS
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import DAY, MONDAY, Plan, Profile
from workers.sources.synthetic.truth import schedule

Values = NDArray[np.float64]

JUDGED_DAYS = 7
FIRST_SEED = 100
"""Other data than what choices were made on (docs/detection.md)."""

Case = tuple[Profile, int, tuple[int, int], tuple[str, ...]]

CASES: tuple[Case, ...] = (
    ("host", 7, (1, 1), ()),
    ("host", 14, (3, 12), ()),
    ("host", 28, (3, 12), ()),
    ("service", 7, (1, 1), ()),
    ("host", 7, (3, 12), tuple(ATTACKS)),
    ("host", 14, (3, 12), tuple(ATTACKS)),
    ("host", 28, (3, 12), tuple(ATTACKS)),
)
"""Profile, days of learning, intervals of five minutes that an anomaly lasts, attacks in place of the five kinds."""


_NONE = pd.DataFrame({"entity": pd.Series(dtype=object), "time": pd.Series(dtype=np.int64), "label": []})


def labelled(case: Case, days: int, seed: int, start: int) -> VectorTable:
    """Vectors of made-up telemetry, 5 % of it anomalous, with their labels."""
    settings = load_settings({})
    profile, _, episode, attacks = case
    truth = schedule(Plan(profile=profile, days=days, episode=episode, seed=seed, start=start, attacks=attacks))
    with TemporaryDirectory() as folder:
        file = save_truth(truth.rows(), Path(folder) / "made_up.parquet")
        (table,) = tables_of(vector_blocks(generate(truth), settings))
        return KnownLabels(_NONE, [file], [(truth.plan.start, truth.plan.end)]).of(table)


def one(case: Case, seed: int) -> Mapping[str, float]:
    """Learn, judge, and what came of it."""
    days = case[1]
    lesson = labelled(case, days, seed, MONDAY)
    exam = labelled(case, JUDGED_DAYS, 1_000 + seed, MONDAY + days * DAY)
    began = time.process_time()
    trained = train(lesson, policy=TrainPolicy(seed=seed))
    took = time.process_time() - began
    bundle = open_bundle(lambda name: trained.manifest.encode() if name == MANIFEST else trained.files[name])
    score = _as_the_worker_scores(bundle, exam)
    assert exam.label is not None
    anomalous, flagged = exam.label == ANOMALOUS, score >= 1.0
    sweep = Sweep.of(score, anomalous)
    episode_of = episodes(exam.label, Series(exam.entity, exam.window_end))
    begins = flagged & ~np.append(False, flagged[:-1])
    run = np.cumsum(begins)
    true = np.unique(run[flagged & anomalous])
    return {
        **Confusion.of(flagged, anomalous).figures(),
        "average_precision": sweep.average_precision(),
        "roc_auc": sweep.roc_auc(),
        "episodes_found": len(np.unique(episode_of[flagged & anomalous])) / (int(episode_of.max()) + 1),
        "false_alarms_a_day": (int(begins.sum()) - len(true)) / JUDGED_DAYS,
        "seconds": took,
    }


def _as_the_worker_scores(bundle: Bundle, table: VectorTable) -> NDArray[np.float64]:
    """With what the names of metrics say; where labels have set the boundary, no entity has a threshold of its own."""
    knowledge, entities = Knowledge(), [table.entities[code] for code in table.entity.tolist()]
    events = np.full(len(table), 1_000, np.int64)

    def known(naming: Naming, values: Values, expected: Values) -> NDArray[np.bool_] | None:
        return knowledge.harmless(naming, entities, values, expected, events)

    places = bundle.manifest.calendar.place(table.window_end)
    return bundle.period(ALL).score(table.values, places, known).score


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=5, help="data sets of each case")
    asked.add_argument("--case", type=int, help="only the case of this number")
    options = asked.parse_args()
    seeds = options.seeds
    print(describe())
    names = ("f1", "precision", "recall", "fpr", "accuracy", "average_precision", "roc_auc")
    more = ("episodes_found", "false_alarms_a_day", "seconds")
    print(f"mean (and worst F1) of {seeds} seeds: {', '.join((*names, *more))}")
    for case in CASES if options.case is None else [CASES[options.case]]:
        found = [one(case, FIRST_SEED + seed) for seed in range(seeds)]
        worst = min(each["f1"] for each in found)
        means = "  ".join(f"{np.mean([each[name] for each in found]):.4f}" for name in (*names, *more))
        profile, days, (shortest, longest), attacks = case
        what = "attacks" if attacks else "episodes"
        print(
            f"{profile:<8}{days:>3} days, {what} of {shortest} to {longest}:  {means}  (worst F1 {worst:.4f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
