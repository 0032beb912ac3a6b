"""What `faultline source opensearch` does: documents to events, and both topics in the transaction of the position."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from schemas.events import encode_events
from schemas.faults import TOO_LARGE
from schemas.ids import stable_id
from schemas.times import format_times
from workers.cli.clients import kafka_options
from workers.cli.documents import DocumentReader, Fault, Read
from workers.cli.failures import Failure, WrongUse
from workers.cli.sending import Target, closing_margin
from workers.cli.voice import Voice
from workers.intake.mapping import KINDS
from workers.runtime.deadletters import dead_letter
from workers.runtime.kafka_sink import DEFAULT_LIMIT
from workers.runtime.records import DeadLetter, Headers, Output, Records
from workers.sources.exactly_once import ExactlyOnce
from workers.sources.exactly_once import Place as Publishing
from workers.sources.opensearch.connection import dump
from workers.sources.opensearch.paging import Hit
from workers.sources.opensearch.server import Server
from workers.sources.opensearch.timeline import Place, PlaceError, Timeline, micros
from workers.sources.partition import partition_of
from workers.sources.publish import PublishError
from workers.sources.stopping import Interrupted
from workers.topics import state_topic

STAGE = "source"
_ROOM = 2048  # bytes of a record beside its value


def source_id(url: str, asked: str, topic: str) -> str:
    """The same cluster, choice and topic: the same source."""
    return f"opensearch-{stable_id(url, asked, topic)[:12]}"


class Streaming:
    """One run over chosen indices. Raises `Failure`, `WrongUse` and what the server says."""

    def __init__(self, target: Target, server: Server, indices: list[str], time_field: str, mapping: str) -> None:
        self._target, self._server, self._indices = target, server, indices
        self._time_field = time_field
        self._reader = DocumentReader(target.settings, mapping)
        self._dead_topic = target.settings.topics.deadletter

    def run(self, name: str, voice: Voice, restart: bool, stopped: Callable[[], bool]) -> dict[str, Any]:
        """Send what was not sent yet; what was done."""
        settings = self._target.settings
        positions = state_topic(settings, "source")
        publishing = Publishing(self._target.topic, positions, name, settings.prefix, (self._dead_topic,))
        encode = partial(encode_events, form="json") if self._target.raw else encode_events
        try:
            with ExactlyOnce(kafka_options(settings), publishing, encode) as publisher:
                if restart:
                    publisher.forget()
                return self._stream(publisher, name, voice, stopped)
        except PublishError as error:
            raise Failure(str(error)) from error

    def _stream(self, publisher: ExactlyOnce, name: str, voice: Voice, stopped: Callable[[], bool]) -> dict[str, Any]:
        try:
            place = Place.from_json(publisher.at, self._time_field)
            timeline = Timeline(self._server, self._indices, place)
        except PlaceError as error:
            raise WrongUse(str(error)) from error
        before, dead_before, events_before = place.documents, place.dead, publisher.position.events
        voice.say(f"source {name}: {f'goes on behind {before:,} documents' if before else 'begins'}")
        counted = {index: self._server.count(index) for index in self._indices}
        total = sum(counted.values())
        with voice.counter("sending", total, "documents") as counter:
            counter.add(sum(place.sent.get(index, 0) for index in counted))
            try:
                for hits in timeline.batches():
                    self._send(publisher, hits, place)
                    counter.add(len(hits), _time_of(hits))
                    if stopped():
                        raise Interrupted
            except Interrupted:
                raise Failure(
                    f"stopped early: {place.documents:,} documents are sent; start again to go on behind them"
                ) from None
            seconds = counter.seconds
        left_open: list[int] = []
        if self._target.end and publisher.position.last_time:
            # Of every kind: what an earlier run sent before it was killed may be of another than this one has seen.
            left_open = publisher.end(max(closing_margin(self._target.settings, kind, 0) for kind in KINDS))
        if left_open:
            voice.say(f"others write to {self._target.topic} too: partitions {left_open} could not be closed")
        lacking = place.lacking(counted)
        for index, count in lacking.items():
            voice.say(
                f"{index}: the server counts {counted[index]:,} documents, and {counted[index] - count:,} of them were "
                "sent: what was added with an older time than was reached is left out (--restart sends all anew)"
            )
        return {
            "id": name,
            "topic": self._target.topic,
            "documents": place.documents - before,
            "events": publisher.position.events - events_before,
            "dead": place.dead - dead_before,
            "before": before,
            "counted": total,
            "lacking": lacking,
            "seconds": round(seconds, 3),
            "left_open": left_open,
        }

    def _send(self, publisher: ExactlyOnce, hits: list[Hit], place: Place) -> None:
        values = [dump(hit.get("_source")) for hit in hits]
        read = self._reader.read(values)
        if self._target.raw:
            outputs, faults = self._raw(publisher, read, values)
        else:
            outputs, faults = [], read.faults
        letters = [self._letter(publisher, hits[at], values[at], faults[at]) for at in sorted(faults)]
        place.count(hits)
        place.dead += len(letters)
        events = None if self._target.raw else read.events
        publisher.publish(events, place.to_json(), [*outputs, *letters], count=len(outputs))

    def _raw(self, publisher: ExactlyOnce, read: Read, values: list[bytes]) -> tuple[list[Output], dict[int, Fault]]:
        """The documents as they are, those of one entity in one partition; too large ones are faults."""
        keys: dict[int, bytes] = {}
        names, codes = read.events.entity.values, read.events.entity.codes.tolist()
        for document, code in zip(read.document.tolist(), codes, strict=True):
            keys.setdefault(document, names[code].encode())
        limit = publisher.limits.get(self._target.topic, DEFAULT_LIMIT) - _ROOM
        outputs, faults = [], {}
        for at, value in enumerate(values):
            key = keys.get(at)
            if len(value) + len(key or b"") > limit:
                faults[at] = TOO_LARGE, f"the document is {len(value):,} bytes long; the topic takes {limit:,}"
                continue
            home = partition_of(key or value, publisher.partitions)
            outputs.append(Output(self._target.topic, key, value, (), home))
        return outputs, faults

    def _letter(self, publisher: ExactlyOnce, hit: Hit, value: bytes, fault: Fault) -> Output:
        """A dead letter that goes back to the raw topic when it is replayed, once the mapping is put right."""
        topic = self._target.settings.topics.raw[0]
        headers: Headers = [
            ("opensearch-index", str(hit["_index"]).encode()),
            ("opensearch-id", str(hit["_id"]).encode()),
        ]
        number = np.array([int(hit["sort"][-1])], np.int64)
        records = Records(topic, 0, number, np.zeros(1, np.int64), [None], [value], [headers])
        limit = publisher.limits.get(self._dead_topic, DEFAULT_LIMIT)
        return dead_letter(DeadLetter(0, *fault), records, self._dead_topic, STAGE, 1, limit)


def _time_of(hits: list[Hit]) -> str:
    sort = hits[-1]["sort"]
    return format_times(np.array([micros(sort[0], True)], np.int64))[0][:16] if len(sort) > 1 else ""
