"""History that lies in Kafka, as vectors: those on a topic, or events taken through the windows worker's own steps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from confluent_kafka import Message

from schemas.columns import Vectors
from schemas.events import decode_events
from schemas.vectors import decode_vectors
from workers.cli import cluster
from workers.cli.clients import connect
from workers.cli.failures import Failure, WrongUse
from workers.cli.offline import Feed
from workers.cli.reading import offsets_at, to_end
from workers.cli.voice import Voice
from workers.runtime.records import Headers
from workers.schema_registry import schema_ids
from workers.settings import Settings
from workers.windows.stage import build as build_windows

Kind = Literal["vectors", "events"]

WARM_UP = 25 * 3_600_000
"""Milliseconds of events before the first vector that is wanted: some features look back a day."""

_BATCH = 5_000
_SNIFFED = 200


@dataclass(slots=True)
class TopicVectors:
    """Committed records of all partitions, from a time to the end as it is when this is made. `since` is in epoch
    microseconds, None for the topic's beginning.

    What cannot be read is counted. Raises `Failure` and `WrongUse`.
    """

    settings: Settings
    topic: str
    since: int | None
    voice: Voice
    unreadable: int = 0
    _feeds: dict[int, Feed] = field(default_factory=dict)

    def blocks(self) -> Iterator[Vectors]:
        """The vectors, each entity's in order. At the end, panes that are still open stay so: they are not whole."""
        admin = connect(self.settings)
        ends = cluster.ends(admin, offsets_at(admin, self.topic, 0))
        kind = self._kind(offsets_at(admin, self.topic, 0), ends)
        since = (self.since or 0) // 1_000
        # A record is never appended before its own time, be it that of its window's end.
        starts = offsets_at(admin, self.topic, max(0, since - WARM_UP) if kind == "events" and since else since)
        total = sum(max(0, end - starts[at]) for at, end in ends.items())
        if not total:
            raise Failure(f"{self.topic} has no records" + (" since then" if since else ""))
        ids = schema_ids(self.settings)
        resolver = ids.resolve if ids else None
        stage = build_windows(self.settings, None, resolver) if kind == "events" else None
        with self.voice.counter("reading", total, kind) as counter:
            for partition, messages in _batches(to_end(self.settings, starts, ends)):
                values = [message.value() for message in messages]
                if stage is not None:
                    values = self._stepped(stage, partition, messages, values)
                found, faults = decode_vectors(values, resolver=resolver)
                self.unreadable += sum(values[fault.record] is not None for fault in faults)
                yield from found
                counter.add(len(messages))
        self.unreadable += sum(feed.counts["dead_letters"] for feed in self._feeds.values())
        if self.unreadable:
            self.voice.say(f"left out {self.unreadable:,} records of {self.topic} that are no {kind}")

    def _kind(self, starts: dict[tuple[str, int], int], ends: dict[tuple[str, int], int]) -> Kind:
        """What the topic holds: said by its name where it is one of ours, else by its first records."""
        topics = self.settings.topics
        if self.topic in (topics.features, topics.events):
            return "vectors" if self.topic == topics.features else "events"
        first = list(itertools.islice(to_end(self.settings, starts, ends), _SNIFFED))
        values = [message.value() for message in first]
        if decode_vectors(values)[0]:
            return "vectors"
        if len(decode_events(values)[0]):
            return "events"
        raise WrongUse(f"--from-topic {self.topic}: its first records are neither vectors nor canonical events")

    def _stepped(
        self, stage: Any, partition: int, messages: Sequence[Message], values: Sequence[bytes | None]
    ) -> list[bytes | None]:
        """The vectors that these events give, as the windows worker writes them."""
        feed = self._feeds.get(partition)
        if feed is None:
            feed = self._feeds[partition] = Feed(stage, self.settings.topics.events)
        keys = [message.key() for message in messages]
        times = np.array([message.timestamp()[1] for message in messages], np.int64) * 1_000
        offsets = np.array([int(message.offset() or 0) for message in messages], np.int64)
        outputs = feed.take(keys, values, times, [_headers(message) for message in messages], offsets)
        return [one.value for one in outputs if one.topic == self.settings.topics.features and one.key is not None]


def _headers(message: Message) -> Headers | None:
    found: Any = message.headers()
    return [(name, value or b"") for name, value in found] if found else None


def _batches(messages: Iterator[Message]) -> Iterator[tuple[int, list[Message]]]:
    """Consecutive records of one partition at a time."""
    while batch := list(itertools.islice(messages, _BATCH)):
        by_partition: dict[int, list[Message]] = {}
        for message in batch:
            by_partition.setdefault(int(message.partition() or 0), []).append(message)
        yield from by_partition.items()
