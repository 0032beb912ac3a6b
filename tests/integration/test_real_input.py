"""Recorded telemetry replayed through all workers: everything accounted for, one vector a sample, no false silence.

`FAULTLINE_TEST_DATA` names a folder with the real sets (see `tests.support.tables`); without it made-up ones of the
same shape take their place. The real ones take minutes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from schemas.vectors import decode_vectors
from tests.support.broker import Broker
from tests.support.installation import Installation, eventually
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.support.tables import RESERVED, Samples, tables

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

MISSED = 3
WITHIN = 1_500


@dataclass(slots=True)
class Seen:
    """What came out, by entity: times of samples' vectors, of silent ones and of retirements, scores and incidents."""

    samples: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    silent: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    partition: dict[str, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    values: dict[tuple[str, int], float] = field(default_factory=dict)
    vectors: Counter[tuple[str, str]] = field(default_factory=Counter)
    scores: Counter[tuple[str, str]] = field(default_factory=Counter)
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)


@pytest.mark.parametrize("name", ["smd", "asd", "nab"])
def test_recorded_telemetry_is_accounted_for_and_shows_no_false_silence(
    name: str, kafka: Broker, redis_server: RedisAt, tmp_path: Path
) -> None:
    folder = tables(name, tmp_path)
    wanted = Samples.of(folder)
    metric = next(column for column in wanted.rows.columns[2:] if wanted.rows[column].nunique() > 1)
    with Installation(kafka, redis_server, partitions=2) as faultline:
        faultline.start_all()
        done = faultline.run("source", "replay", str(folder), "--json", timeout=600)
        assert done.returncode == 0, done.stderr
        sent = json.loads(done.stdout)
        assert sent["events"] == len(wanted.rows)
        assert sent["left_open"] == []
        windows, scoring, incidents = faultline.workers
        _await_read(faultline, windows, sent["events"] + len(sent["partitions"]))
        counts = _outcomes(faultline, windows)
        _judge_accounts(counts, len(wanted.rows), len(sent["partitions"]))
        seen = _read(faultline, metric)
        _await_read(faultline, scoring, seen.vectors.total())
        _read_scores(faultline, seen)
        _await_read(faultline, incidents, seen.scores.total())
        _read_incidents(faultline, seen)
        letters = faultline.records("telemetry.deadletter.v1")
    silent = {entity: len(times) for entity, times in seen.silent.items()}
    print(f"{name}: {sent}, {seen.vectors.total()} vectors, silent {silent}, incidents {dict(seen.causes)}")
    assert letters == []
    assert seen.scores == seen.vectors
    assert not {name.split("__")[0] for name in seen.names} & set(RESERVED)
    assert {entity: sorted(times) for entity, times in seen.samples.items()} == {
        entity: times.tolist() for entity, times in wanted.times().items()
    }
    known = wanted.latest(metric)
    assert {at: value for at, value in seen.values.items() if at in known} == known
    _judge_silence(seen, wanted)


def _outcomes(faultline: Installation, worker: Daemon) -> Counter[str]:
    """Input records and events by outcome, as the worker counts them."""
    counts: Counter[str] = Counter()
    for name, value in faultline.metrics(worker).items():
        if name.startswith("faultline_records_total{"):
            counts[name.split('outcome="')[1].split('"')[0]] += int(value)
    return counts


def _judge_accounts(counts: Counter[str], events: int, ticks: int) -> None:
    assert counts["events"] + counts["skewed"] + counts["undecodable"] == events
    assert (counts["ticks"], counts["ticks_ignored"]) == (ticks, 0)
    assert counts["generic.events"] == events
    outcomes = ("generic.in_panes", "generic.dropped_late", "generic.dropped_limit", "generic.skewed")
    assert sum(counts[name] for name in outcomes) == events, counts
    assert counts["generic.in_panes"] == events  # recorded in order: nothing of it is late
    assert counts["generic.metrics_refused"] == 0


def _await_read(faultline: Installation, worker: Daemon, records: int) -> None:
    """Until the worker has taken that many records and committed them: its lag counts markers, so it is no measure."""

    def read() -> bool:
        assert worker.running, worker.tail()
        found = faultline.metrics(worker)
        lag = sum(value for name, value in found.items() if name.startswith("faultline_lag_records{"))
        return lag == 0 and _taken(_outcomes(faultline, worker)) >= records

    eventually(read, WITHIN, f"{records} records taken: {_outcomes(faultline, worker)}")


def _taken(counts: Counter[str]) -> int:
    """Records of any outcome; counts of single profiles have a dot in their names."""
    return sum(
        value for name, value in counts.items() if name in ("events", "ticks", "skewed", "undecodable", "processed")
    )


def _blocks(faultline: Installation, topic: str) -> Iterator[list[tuple[int, bytes, bytes]]]:
    """The committed records with a key, thousands at a time: partition, key, value."""
    kafka, name = faultline.kafka, faultline.topic(topic)
    reader = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": kafka.unique("reader"),
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "queued.max.messages.kbytes": 65_536,
        }
    )
    left = set(kafka.partitions(name))
    try:
        reader.assign([TopicPartition(name, partition, 0) for partition in left])
        while left:
            block = []
            for message in reader.consume(2_000, 1.0):
                error = message.error()
                if error is None:
                    if message.key() is not None:
                        block.append((message.partition() or 0, message.key() or b"", message.value() or b""))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    left.discard(message.partition() or 0)
            yield block
    finally:
        reader.close()


def _read(faultline: Installation, metric: str) -> Seen:
    seen = Seen()
    for block in _blocks(faultline, "telemetry.features.v1"):
        seen.partition |= {key.decode(): partition for partition, key, _ in block}
        found, faults = decode_vectors([value for _, _, value in block])
        assert not faults
        for vectors in found:
            seen.names |= set(vectors.names)
            column = vectors.names.index(metric) if metric in vectors.names else -1
            for row, entity in enumerate(vectors.entity):
                end = int(vectors.window_end[row])
                kind = "silent" if vectors.silent[row] else "retired" if vectors.retired[row] else "sample"
                seen.vectors[entity, kind] += 1
                if vectors.silent[row]:
                    seen.silent[entity].append(end)
                if vectors.event_count[row]:
                    seen.samples[entity].append(end)
                    if column >= 0:
                        seen.values[entity, end] = float(vectors.values[row, column])
    return seen


def _read_scores(faultline: Installation, seen: Seen) -> None:
    for block in _blocks(faultline, "anomaly.scores.v1"):
        for _, _, value in block:
            score = orjson.loads(value)
            kind = "silent" if score["silent"] else "retired" if score["retired"] else "sample"
            seen.scores[score["entity"], kind] += 1
            assert 0 <= score["anomaly_score"] <= 10


def _read_incidents(faultline: Installation, seen: Seen) -> None:
    for block in _blocks(faultline, "anomaly.incidents.v1"):
        for _, _, value in block:
            event = orjson.loads(value)
            if event["type"] == "CREATE":
                seen.causes[event["entity"], event["cause"]] += 1


def _judge_silence(seen: Seen, wanted: Samples) -> None:
    """A silent vector lies three of the entity's cadences after its last sample, and others sent something since."""
    times = wanted.times()
    for entity, silent in seen.silent.items():
        own = times[entity]
        others = np.unique(np.concatenate([times[e] for e, p in seen.partition.items() if p == seen.partition[entity]]))
        for at in silent:
            number = int(np.searchsorted(own, at, side="right"))
            cadence = int(np.median(np.diff(own[max(0, number - 10) : number])))
            last = int(own[number - 1])
            assert at - last >= MISSED * cadence, f"{entity} is silent at {at}, its last sample is of {last}"
            assert ((others > last) & (others <= at)).any(), f"{entity} is silent at {at}, and so was everybody"
    alarmed = {entity for entity, cause in seen.causes if cause == "silence"}
    assert alarmed <= seen.silent.keys()
