"""Silence is data: an entity or a partition that goes quiet opens an incident; lag and wrong clocks do not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from tests.support.broker import Broker, Record
from tests.support.installation import Installation, eventually
from tests.support.redis_server import RedisAt

pytestmark = pytest.mark.integration

EVENTS, INCIDENTS = "telemetry.events.v1", "anomaly.incidents.v1"
QUICK = {"FAULTLINE_WINDOWS__LATENESS_MS": "1000", "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "2000"}


@pytest.fixture
def faultline(kafka: Broker, redis_server: RedisAt) -> Iterator[Installation]:
    with Installation(kafka, redis_server, partitions=1, settings=QUICK) as installation:
        yield installation


def _event(entity: str, moment: datetime) -> Record:
    event = {"timestamp": moment.isoformat(), "entity": entity, "kind": "api", "metrics": {"latency_ms": 20.0}}
    return Record(orjson.dumps(event), entity.encode())


def _minutes(entity: str, start: datetime, stop: datetime) -> list[Record]:
    """Two events a second."""
    count = int((stop - start).total_seconds() * 2)
    return [_event(entity, start + timedelta(seconds=i / 2)) for i in range(count)]


def _by_time(*parts: list[Record]) -> list[Record]:
    return sorted(
        (record for part in parts for record in part), key=lambda r: orjson.loads(r.value or b"")["timestamp"]
    )


def _causes(faultline: Installation, entity: str) -> list[tuple[object, object]]:
    return [(e["type"], e["cause"]) for e in faultline.values(INCIDENTS) if e["entity"] == entity]


def test_an_entity_that_stops_opens_an_incident_that_says_so_and_resolves_on_return(faultline: Installation) -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    gone, back, end = (start + timedelta(minutes=m) for m in (20, 30, 50))
    records = _by_time(_minutes("steady", start, end), _minutes("flaky", start, gone), _minutes("flaky", back, end))
    faultline.kafka.produce(faultline.topic(EVENTS), records)
    faultline.start_all()
    eventually(lambda: ("RESOLVE", "silence") in _causes(faultline, "flaky"), 60, "silence opened and resolved")
    kinds = _causes(faultline, "flaky")
    assert kinds[0] == ("CREATE", "silence")
    assert _causes(faultline, "steady") == []
    reason = next(str(e["reason"]) for e in faultline.values(INCIDENTS) if e["type"] == "CREATE")
    assert "flaky" in reason
    assert "silent" in reason or "no data" in reason or "nothing" in reason.lower()


def test_a_whole_partition_that_goes_quiet_is_noticed_by_ticks_and_a_stopped_worker_is_not(
    faultline: Installation,
) -> None:
    now = datetime.now(UTC)
    faultline.kafka.produce(faultline.topic(EVENTS), _minutes("alone", now - timedelta(minutes=15), now))
    # Nobody runs meanwhile: that is lag, not silence.
    time.sleep(8)
    assert faultline.records(EVENTS)[-1].key == b"alone"
    faultline.start_all()
    eventually(lambda: any(r.key is None for r in faultline.records(EVENTS)), 30, "a tick in the quiet partition")
    eventually(lambda: ("CREATE", "silence") in _causes(faultline, "alone"), 120, "an incident for the silence")
    first = next(e for e in faultline.values(INCIDENTS) if e["type"] == "CREATE")
    assert datetime.fromisoformat(str(first["first_anomalous_at"])) >= now - timedelta(seconds=10)


def test_a_producers_wrong_clock_is_neither_silence_nor_lag(faultline: Installation) -> None:
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    half, end = start + timedelta(minutes=20), start + timedelta(minutes=40)
    wrong = [
        _event("skewed", moment + timedelta(days=36_500)) if moment >= half else _event("skewed", moment)
        for moment in (start + timedelta(seconds=i / 2) for i in range(int((end - start).total_seconds() * 2)))
    ]
    steady = _minutes("steady", start, end)
    records = [record for pair in zip(steady, wrong, strict=True) for record in pair]
    faultline.kafka.produce(faultline.topic(EVENTS), records)
    faultline.start_all()
    letters = "telemetry.deadletter.v1"
    eventually(lambda: len(faultline.records(letters)) == 2_400, 60, "every skewed event is a dead letter")
    eventually(
        lambda: any(r.key is None and b"09:39" in (r.value or b"") for r in faultline.records(INCIDENTS)),
        60,
        "the incidents worker has seen it all",
    )
    assert _causes(faultline, "skewed") == []
    classes = {dict(r.headers)["faultline-error-class"] for r in faultline.records(letters)}
    assert classes == {b"skewed"}
