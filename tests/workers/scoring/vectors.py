"""Records of made-up service vectors, models trained on such, and a stage that scores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tenacity import wait_none

from models.ensembles import Ensemble
from models.features.service import SERVICE
from models.periods import Calendar
from models.registry import Aliases, Registry
from models.table import tables_of
from models.train import TrainedBundle, TrainPolicy, train
from schemas.columns import Vectors
from schemas.vectors import encode_vectors
from tests.models.service_traffic import PANE_US, Pane, vectors
from workers.runtime.records import Records
from workers.scoring.loading import Loading
from workers.scoring.policy import Policy
from workers.scoring.stage import ScoringStage

SCORES, ANOMALIES, DRIFT, LOG = "scores", "anomalies", "drift", "log"
POLICY = Policy(SCORES, ANOMALIES, DRIFT, LOG)
FAST = TrainPolicy(Ensemble.of(("deviation",)), seed=1, calendar=Calendar("Europe/Berlin"))


def block(
    values: NDArray[np.float64], ends: NDArray[np.int64], entities: Sequence[str], silent: Sequence[int] = ()
) -> Vectors:
    """Vectors of `service`, one row each."""
    n = len(values)
    quiet = np.isin(np.arange(n), list(silent))
    return Vectors(
        at=np.arange(n, dtype=np.int32),
        profile="service",
        profile_version=1,
        feature_set=SERVICE.hash,
        names=(),
        entity=list(entities),
        window_start=ends - PANE_US,
        window_end=ends,
        sequence=np.zeros(n, np.int64),
        values=values,
        event_count=np.where(quiet, 0, 30).astype(np.int64),
        late_count=np.zeros(n, np.int64),
        skewed_count=np.zeros(n, np.int64),
        silent=quiet,
        retired=np.zeros(n, np.bool_),
        regular=np.arange(n) % 2 == 0,
    )


def records(values: Sequence[bytes | None], first: int = 100, headers: dict[int, str] | None = None) -> Records:
    n = len(values)
    named = headers or {}
    return Records(
        topic="features",
        partition=3,
        offsets=np.arange(first, first + n, dtype=np.int64),
        timestamps=np.arange(n, dtype=np.int64),
        keys=[None] * n,
        values=list(values),
        headers=[[(named[i], b"")] if i in named else None for i in range(n)],
    )


def traffic(entities: Sequence[str], panes: int, silent: Sequence[int] = ()) -> list[bytes]:
    """Encoded vectors of several services, pane by pane; the first service is slow from its 60th pane on."""
    rows = [_service(panes, number, slow=number == 0) for number in range(len(entities))]
    values = np.stack([row[0] for row in rows], axis=1).reshape(panes * len(entities), -1)
    ends = np.repeat(rows[0][1], len(entities))
    return encode_vectors(block(values, ends, list(entities) * panes, silent))


@cache
def _service(panes: int, seed: int, slow: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return vectors(panes, lambda i: Pane(median_ms=700.0 if slow and i >= 60 else 70.0), seed)


@cache
def trained(scope: str = "global", seed: int = 1, policy: TrainPolicy = FAST) -> TrainedBundle:
    """A bundle that learned from a quiet hour of one service."""
    values, ends = _service(360, 50, slow=False)
    table = tables_of([block(values, ends, ["learned"] * 360)])[0]
    return train(table, scope, replace(policy, seed=seed, tag=f"seed {seed}"))


def promote(registry: Registry, bundle: TrainedBundle, challenger: TrainedBundle | None = None) -> Aliases:
    for one in (bundle, challenger):
        if one is not None:
            registry.save(one.manifest, one.files)
    aliases = Aliases(bundle.version, challenger.version if challenger else None)
    registry.promote("service", bundle.manifest.scope, aliases)
    return aliases


def stage(folder: Path | None = None, policy: Policy = POLICY) -> ScoringStage:
    """A stage over the registry in `folder`; without one the untrained rule alone."""
    return ScoringStage(policy, Loading(Registry(str(folder)) if folder else None, 100, wait_none()))
