"""What the windows worker would have written if nothing had ever happened: its stage over the input that is there."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.support.broker import Record
from tests.support.installation import Installation, eventually
from tests.support.requests import EVENTS, FEATURES, LETTERS
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import load_settings
from workers.windows.stage import build

Shown = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]
"""Key, value and headers: what a reader sees."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """By partition, in order. A dead letter is the offset and value of its record."""

    vectors: list[list[Shown]]
    letters: list[list[tuple[int, bytes | None, str]]]


def wanted(faultline: Installation) -> Wanted:
    """The outputs for the whole input as it is now."""
    settings = load_settings(faultline.settings)
    found = Wanted([], [])
    for partition in range(faultline.partitions):
        stage = build(settings)
        records = [r for r in faultline.records(EVENTS) if r.partition == partition]
        vectors: list[Shown] = []
        letters = []
        state = stage.start(partition, NO_WATERMARK, [])
        for chunk in stage.step(state, as_batch(faultline.topic(EVENTS), partition, records)) if records else ():
            features = (output for output in chunk.outputs if output.topic == settings.topics.features)
            vectors += [(output.key, output.value, tuple(output.headers)) for output in features]
            letters += [(records[d.index].offset, records[d.index].value, d.error_class) for d in chunk.dead]
        found.vectors.append(vectors)
        found.letters.append(letters)
    return found


def as_batch(topic: str, partition: int, records: Sequence[Record]) -> Records:
    """Records read from a partition as a stage takes them."""
    return Records(
        topic,
        partition,
        np.array([r.offset for r in records], np.int64),
        np.array([r.timestamp * 1000 for r in records], np.int64),
        [r.key for r in records],
        [r.value for r in records],
        [list(r.headers) or None for r in records],
    )


def vectors(faultline: Installation) -> list[list[Shown]]:
    """What is on the features topic, read committed, by partition."""
    split: list[list[Shown]] = [[] for _ in range(faultline.partitions)]
    for record in faultline.records(FEATURES):
        split[record.partition].append((record.key, record.value, record.headers))
    return split


def assert_undisturbed(faultline: Installation) -> None:
    """Vectors byte for byte and in order, dead letters by source and reason."""
    want, got = wanted(faultline), vectors(faultline)
    assert any(want.vectors)
    for partition, (mine, theirs) in enumerate(zip(got, want.vectors, strict=True)):
        for number, (a, b) in enumerate(zip(mine, theirs, strict=False)):
            assert a == b, f"vector {number} of partition {partition} differs"
        assert len(mine) == len(theirs), f"{len(mine)} vectors in partition {partition}, not {len(theirs)}"
    letters: list[list[tuple[int, bytes | None, str]]] = [[] for _ in range(faultline.partitions)]
    for record in faultline.records(LETTERS):
        headers = dict(record.headers)
        place = int(headers["faultline-source-partition"])
        offset = int(headers["faultline-source-offset"])
        letters[place].append((offset, record.value, headers["faultline-error-class"].decode()))
    assert letters == want.letters


def committed(faultline: Installation, worker: str = "windows", topic: str = EVENTS) -> list[int]:
    """The group's committed offsets by partition; -1001 where there is none. By a client of its own: one that has seen
    its broker restart may wait for an answer that never comes."""
    asked = [TopicPartition(faultline.topic(topic), partition) for partition in range(faultline.partitions)]
    reader = _reader(faultline, f"{faultline.namespace}.faultline-{worker}")
    try:
        return [place.offset for place in reader.committed(asked, 10)]
    finally:
        reader.close()


def _reader(faultline: Installation, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": faultline.kafka.bootstrap_servers, "group.id": group, "log_level": 2})


def settle(faultline: Installation, timeout: float = 120) -> None:
    """Until the windows worker has committed all that it was given."""
    reader = _reader(faultline, faultline.namespace)
    asked = [TopicPartition(faultline.topic(EVENTS), partition) for partition in range(faultline.partitions)]
    try:
        ends = [reader.get_watermark_offsets(one, timeout=10)[1] for one in asked]
    finally:
        reader.close()

    def through() -> bool:
        for worker in faultline.workers[-1:]:
            assert worker.running, worker.tail()
        with contextlib.suppress(KafkaException):  # a broker that has just come back is not at its ease yet
            return committed(faultline) == ends
        return False

    eventually(through, timeout, f"the offsets {ends} committed")
