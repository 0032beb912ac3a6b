"""Samples and single events through the whole windows stage: encoded events in, encoded vectors and state out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.features.host import HOST
from schemas.events import encode_events
from schemas.vectors import decode_vectors
from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
    run,
)
from tests.workers.windows.sample_stories import START, story
from tests.workers.windows.telemetry import S, Sent, events_of
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import MetricSettings, Settings, WindowsSettings
from workers.windows.stage import WindowsStage, build

FEATURES = "telemetry.features.v1"


def stage(*profiles: str) -> WindowsStage:
    return build(Settings(windows=WindowsSettings(enabled=list(profiles))))


def records_of(sent: Sequence[Sent]) -> Records:
    """Events as records; each is received when it happened, or when its reference says."""
    sent = [one for one in sent if one.entity is not None]
    values: list[bytes | None] = list(encode_events(events_of(sent)[0]))
    keys: list[bytes | None] = [(one.entity or "").encode() for one in sent]
    stamps = np.array([one.time if one.reference is None else one.reference for one in sent], np.int64)
    return Records("telemetry.events.v1", 0, np.arange(len(sent)), stamps, keys, values, [None] * len(sent))


@pytest.mark.parametrize("seed", [20])
def test_generic_vectors_hold_the_contract_of_a_stage(seed: int) -> None:
    records = records_of(story(seed))
    n = len(records)
    assert_cuts_do_not_matter(stage("generic"), records, [1, 7, random_cut(n, seed)])
    for at in (n // 3, n - 20):
        assert_restore_is_exact(stage("generic"), records, at)
        assert_rebuild_is_exact(stage("generic"), records, at)


def test_one_partition_carries_all_kinds_and_each_profile_takes_its_own() -> None:
    sent = []
    for i in range(120):
        t = START + i * 10 * S
        sent.append(Sent(t, "machine", {"cpu_ratio": i / 120}, kind="host"))
        sent.append(Sent(t, "sensor", {"heat": float(i), "x": 1.0}, kind="metric"))
        sent.append(Sent(t, "gauge", {"level_m": float(i)}, kind="metric"))
        sent.append(Sent(t, "shop", {"latency_ms": 5.0}, {"status_code": "200"}, kind="api"))
    records = records_of(sent)
    whole = stage("service", "host", "generic", "event")
    told = run(whole, whole.start(0, NO_WATERMARK, []), records)
    tables, faults = decode_vectors(told.values(FEATURES))
    assert not faults
    found = {(t.profile, entity): t for t in tables for entity in t.entity}
    assert set(found) == {
        ("service", "shop"), ("event", "shop"), ("host", "machine"), ("generic", "sensor"), ("generic", "gauge"),
    }  # fmt: skip
    assert found["generic", "sensor"].names[0] == "heat"
    assert found["generic", "gauge"].names[0] == "level_m"
    host = found["host", "machine"]
    assert (host.names, host.feature_set, host.values.shape[1]) == ((), HOST.hash, len(HOST.names))
    samples = sum(len(t) for t in tables if t.profile == "generic")
    assert samples == 2 * sum(entity == "machine" for t in tables if t.profile == "host" for entity in t.entity)
    assert sum(len(t) for t in tables if t.profile == "event") == 120
    assert told.counts["generic.in_panes"] == 240
    assert_cuts_do_not_matter(whole, records, [1, 50])


def test_a_value_that_there_cannot_be_is_no_measurement() -> None:
    sent = [
        Sent(START + i * 10 * S, name, {"heat": -999.0 if i == 40 else 20.0 + i % 3, "x": -999.0}, kind="metric")
        for i in range(60)
        for name in ("oven", "rack")
    ]
    known = [MetricSettings(metric="heat", valid=(-50.0, 500.0), entity="oven")]
    limited = build(Settings(windows=WindowsSettings(enabled=["generic"]), metrics=known))
    records = records_of(sent)
    told = run(limited, limited.start(0, NO_WATERMARK, []), records)
    assert told.counts["generic.values_impossible"] == 1
    assert "generic.values_impossible" not in run(stage("generic"), stage("generic").start(0, -1, []), records).counts
    tables, _ = decode_vectors(told.values(FEATURES))
    lowest = dict.fromkeys(("oven", "rack"), np.inf)
    for table in tables:
        heat = table.names.index("heat"), table.names.index("heat__mean_5")
        for i, entity in enumerate(table.entity):
            lowest[entity] = min(lowest[entity], np.nanmin(table.values[i, heat]))
    assert lowest["oven"] >= 20.0
    assert lowest["rack"] == -999.0
    assert limited.config_hash != stage("generic").config_hash
    assert_cuts_do_not_matter(limited, records, [1, 50])
