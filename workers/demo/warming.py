"""Compiling what the demo's workers will call, while something else compiles the rest: a fresh clone has no caches."""

from __future__ import annotations

import numpy as np

from models.bundle import open_bundle
from models.features.service import service_set
from models.manifest import MANIFEST
from models.table import tables_of
from models.thresholds import Expectation, Thresholds
from models.train import TrainPolicy, train
from schemas.columns import Events, Vectors
from schemas.events import decode_events, encode_events
from schemas.vectors import encode_vectors
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK
from workers.scoring.stage import build
from workers.settings import Settings
from workers.windows.profiles import Profile

_ROWS = 400


def warm_up(events: Events, profile: Profile, settings: Settings) -> None:
    """Take a few events through the codec, and made-up vectors through training and the scoring worker's step."""
    decode_events(encode_events(events))
    vectors = _made_up(profile)
    values: list[bytes | None] = list(encode_vectors(vectors))
    stage = build(settings.with_registry(""))
    state = stage.start(0, NO_WATERMARK, [])
    keys: list[bytes | None] = [entity.encode() for entity in vectors.entity]
    offsets = np.arange(_ROWS, dtype=np.int64)
    records = Records(settings.topics.features, 0, offsets, vectors.window_end, keys, values, [None] * _ROWS)
    for _ in stage.step(state, records):
        pass
    table = tables_of([vectors])[0]
    trained = train(table, policy=TrainPolicy())
    bundle = open_bundle(lambda name: trained.manifest.encode() if name == MANIFEST else trained.files[name])
    places = bundle.manifest.calendar.place(table.window_end)
    model = bundle.period(next(iter(bundle.manifest.periods)))
    scored = model.score(table.values, places)
    thresholds, first = Thresholds(), np.zeros(_ROWS, np.int64)
    thresholds.expect("warm-up", Expectation.of(model.episodes, trained.manifest.training.alpha, 288.0))
    thresholds.step(first, table.window_end, scored.score, scored.mean, first, np.ones(_ROWS, np.bool_))


def _made_up(profile: Profile) -> Vectors:
    """Vectors of one service over some hours, their values at random."""
    assert profile.pane is not None
    features = service_set(profile.name, profile.pane, profile.windows)
    ends = 1_704_067_200_000_000 + profile.pane * np.arange(1, _ROWS + 1, dtype=np.int64)
    nothing, never = np.zeros(_ROWS, np.int64), np.zeros(_ROWS, np.bool_)
    return Vectors(
        at=np.arange(_ROWS, dtype=np.int32),
        profile=profile.name,
        profile_version=profile.version,
        feature_set=features.hash,
        names=features.names,
        entity=["warm-up"] * _ROWS,
        window_start=ends - profile.pane,
        window_end=ends,
        sequence=nothing,
        values=np.random.default_rng(0).random((_ROWS, len(features.names))),
        event_count=nothing + 100,
        late_count=nothing,
        skewed_count=nothing,
        silent=never,
        retired=never,
        regular=never,
    )
