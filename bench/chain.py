"""The other workers end to end, exactly once, on a real broker: intake, scoring, incidents, each over a full topic."""

from __future__ import annotations

import os
import statistics

from bench import machine
from bench.load import service_events
from bench.rig import Rig, script
from tests.support.services import some_kafka, some_redis

PARTITIONS = 4
RAW_EVENTS = 3_000_000
ENTITIES = 2_000
PANES = 200
EVENTS = ENTITIES * PANES * 4


def main() -> None:
    """One line for each worker; every figure is the median of ROUNDS rounds (environment, 3)."""
    rounds = int(os.environ.get("ROUNDS", "3"))
    print(machine.describe())
    settings = {"FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0", "FAULTLINE_LOG__LEVEL": "warning"}
    with some_kafka() as kafka, some_redis() as redis:
        rig = Rig(kafka, redis.url, "chain", PARTITIONS, settings)
        topics = rig.settings.topics
        (raw,) = topics.raw
        rig.write(raw, service_events(500, RAW_EVENTS, 300_000), "json")
        rig.write(topics.events, service_events(ENTITIES, EVENTS, ENTITIES * 4 // 10))
        rig.drain("windows", topics.events)
        print(f"vectors: {ENTITIES:,} services in {PANES} panes, judged by the untrained rules")
        for worker, topic, what in (
            ("scoring", topics.features, "vectors"),
            ("incidents", topics.scores, "scores"),
            ("intake", raw, "canonical JSON events"),
        ):
            runs = [rig.drain(worker, topic) for _ in range(rounds if worker != "scoring" else 1)]
            limit = script("consume_alone.py", kafka, topic, str(runs[0].records))
            rate = statistics.median(run.rate for run in runs)
            cpu = statistics.median(run.per_cpu_second for run in runs)
            memory = statistics.median(run.memory for run in runs)
            print(
                f"{worker:>9} {rate:10,.0f} {what}/s, {cpu:9,.0f} per CPU second, {memory / (1 << 20):5,.0f} MiB; "
                f"{rate / limit:.2f} of consume() alone ({limit:,.0f}/s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
