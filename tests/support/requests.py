"""Plain traffic for tests of one worker: requests of a few services, written some minutes of event time at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson

from tests.support.broker import Record
from tests.support.installation import Installation

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SERVICES = ("cart", "login", "pay", "search")
EVENTS, FEATURES, LETTERS = "telemetry.events.v1", "telemetry.features.v1", "telemetry.deadletter.v1"


class Requests:
    """Every service sends one request in two seconds. `write` goes on where the last one stopped."""

    def __init__(self, faultline: Installation) -> None:
        self._faultline = faultline
        self._seconds = 0

    def write(self, minutes: int) -> int:
        """That many more minutes; how many records these were."""
        records = list(self._make(minutes * 60))
        self._faultline.kafka.produce(self._faultline.topic(EVENTS), records)
        return len(records)

    def _make(self, seconds: int) -> Iterator[Record]:
        stop = self._seconds + seconds
        for second in range(self._seconds, stop, 2):
            for number, service in enumerate(SERVICES):
                yield request(service, START + timedelta(seconds=second, milliseconds=number * 10), second)
        self._seconds = stop


def request(service: str, moment: datetime, second: int) -> Record:
    """One request; which one follows from `second`."""
    event = {
        "timestamp": moment.isoformat(),
        "entity": service,
        "kind": "api",
        "attributes": {"status_code": "500" if second % 38 == 0 else "200", "path": f"/{second % 7}"},
        "metrics": {"latency_ms": 20.0 + second * 37 % 101},
    }
    return Record(orjson.dumps(event), service.encode())
