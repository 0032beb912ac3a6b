"""The incidents stage's pure step on one core: scores of 100,000 entities, of which few, some or all have incidents.

    python -m bench incidents_step

By processor time. Beside it what reading the same JSON costs with orjson alone, which no step can do without, and the
memory that an entity with an open incident takes.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Sequence

import numpy as np
import orjson

from bench.machine import describe
from schemas.ids import stable_id
from schemas.times import format_time
from workers.incidents.events import Topics
from workers.incidents.partition import PartitionState
from workers.incidents.policy import Policy
from workers.incidents.stage import IncidentsStage
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK

ENTITIES = (1_000, 10_000, 100_000)
SHARES = (0.0, 0.01, 0.1, 1.0)
BATCH = 10_000
PANE = 10_000_000
START = 1_772_366_400_000_000
SCORES = 200_000


def values(entities: int, window: int, troubled: int) -> list[bytes | None]:
    """One score of every entity; the first `troubled` are anomalous."""
    start, end = (format_time(START + (window + late) * PANE) for late in (0, 1))
    found: list[bytes | None] = []
    for number in range(entities):
        anomalous = number < troubled
        known = {
            "id": stable_id(number, window),
            "event_count": 120,
            "silent": False,
            "retired": False,
            "regular": True,
            "entity": f"shop/service-{number:06d}",
            "profile": "service",
            "window_start": start,
            "window_end": end,
            "anomaly_score": 2.2 if anomalous else 0.31,
            "is_anomaly": anomalous,
            "severity": "high" if anomalous else None,
            "confidence": 0.99,
            "model": {"id": "e", "version": "7" * 32, "role": "champion", "scope": "global", "period": "all_hours"},
            "expected": [{"metric": "latency_p99_ms", "actual": 230.0, "low": 80.0, "high": 120.0}],
            "contributions": [
                {"metric": "latency_p99_ms", "feature": "latency_p99_ms", "share": 1.0, "direction": "up"}
            ],
            "note": "",
        }
        found.append(orjson.dumps(known))
    return found


def batches(scores: Sequence[bytes | None], first: int) -> list[Records]:
    found = []
    for start in range(0, len(scores), BATCH):
        part = list(scores[start : start + BATCH])
        offsets = np.arange(first + start, first + start + len(part), dtype=np.int64)
        found.append(Records("scores", 0, offsets, offsets, [None] * len(part), part, [None] * len(part)))
    return found


def run(stage: IncidentsStage, state: PartitionState, scores: list[bytes | None], first: int) -> float:
    """Processor seconds of a step over these scores."""
    records = batches(scores, first)
    began = time.process_time()
    for one in records:
        for _ in stage.step(state, one):
            pass
    return time.process_time() - began


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main() -> None:
    print(describe())
    print(f"{'entities':>9} {'in trouble':>11} {'scores/s':>10} {'of orjson alone':>16} {'bytes an incident':>18}")
    for entities in ENTITIES:
        for share in SHARES:
            measure(entities, round(entities * share))


def measure(entities: int, troubled: int) -> None:
    stage = IncidentsStage(Policy(), Topics("incidents", "states", "log"))
    state = stage.start(0, NO_WATERMARK, [])
    gc.collect()
    before, offset = resident(), 0
    for window in range(3):  # incidents open with the third
        run(stage, state, values(entities, window, troubled), offset)
        offset += entities
    gc.collect()
    grown = resident() - before
    took, alone, count = [], [], 0
    for window in range(3, 3 + max(3, SCORES // entities)):
        scores = values(entities, window, troubled)
        took.append(run(stage, state, scores, offset))
        began = time.process_time()
        for value in scores:
            orjson.loads(value or b"")
        alone.append(time.process_time() - began)
        offset, count = offset + entities, count + entities
    speed, peer = entities / float(np.median(took)), entities / float(np.median(alone))
    each = f"{grown / troubled:,.0f}" if troubled >= 1_000 else "-"
    print(f"{entities:>9,} {troubled:>11,} {speed:>10,.0f} {speed / peer:>16.2f} {each:>18}", flush=True)


if __name__ == "__main__":
    main()
