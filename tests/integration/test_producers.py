"""Real producers post to a real Kafka, and an anomaly in what they send comes out at the other end.

All times are the producers' own: an hour of event time is posted in seconds. One installation takes what they send,
each at a later time than the one before it, as its watermark wants. The first run on a machine builds the Collector,
which takes minutes.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from schemas.events import decode_events, events_to_dicts
from tests.support.broker import Broker, Record
from tests.support.installation import STAGES, Installation, eventually
from tests.support.process import Daemon
from tests.support.producers import kcat, otlp
from tests.support.producers.collectd import Collectd
from tests.support.producers.collector import Collector
from tests.support.producers.rsyslog import Rsyslog
from tests.support.redis_server import RedisAt

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

RAW, EVENTS, ANOMALIES = "telemetry.raw.v1", "telemetry.events.v1", "anomaly.events.v1"
CALM, BAD, AFTER = 40 * 60, 6 * 60, 4 * 60
"""Seconds of calm, of the anomaly, and behind it."""

ERROR, INFO = 27, 30
"""Priorities of a daemon's lines."""


@dataclass(slots=True)
class Pipeline:
    """An installation whose workers run, and when the next producer's data may begin."""

    faultline: Installation
    free: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)

    @property
    def raw(self) -> str:
        return self.faultline.topic(RAW)

    @property
    def brokers(self) -> str:
        return self.faultline.kafka.bootstrap_servers

    def hour(self) -> datetime:
        """The beginning of an hour that nobody has sent anything of."""
        start = self.free
        self.free += timedelta(hours=2)
        return start

    def events_since(self, start: datetime) -> list[dict[str, object]]:
        """The canonical events from there on, without ticks."""
        records = [record for record in self.faultline.records(EVENTS) if record.key is not None]
        decoded, faults = decode_events([r.value or b"" for r in records], [r.key for r in records])
        assert not faults
        since = int(start.timestamp() * 1_000_000)
        return [event for event in events_to_dicts(decoded) if event["timestamp"] >= since]

    def anomalies(self, entity: str, start: datetime) -> list[datetime]:
        """The ends of the windows of an entity that were called anomalous, from there on."""
        found = [one for one in self.faultline.values(ANOMALIES) if one["entity"] == entity]
        ends = sorted(datetime.fromisoformat(str(one["window_end"])) for one in found)
        return [end for end in ends if end >= start]

    def incidents(self, entity: str) -> list[dict[str, object]]:
        """Incidents of an entity that were opened because it deviated."""
        found = self.faultline.values("anomaly.incidents.v1")
        return [one for one in found if (one["entity"], one["type"], one["cause"]) == (entity, "CREATE", "deviation")]

    def letters(self) -> list[Record]:
        return self.faultline.records("telemetry.deadletter.v1")

    def judge(self, entity: str, start: datetime, sent: int) -> None:
        """All that was sent are events; the anomaly is found while it lasts, and opens an incident."""
        eventually(lambda: len(self.events_since(start)) >= sent, 60, f"{sent} events of {entity}")
        began = start + timedelta(seconds=CALM)
        over = began + timedelta(seconds=BAD)
        eventually(lambda: bool(self.anomalies(entity, began)), 120, f"an anomaly of {entity}")
        eventually(lambda: bool(self.incidents(entity)), 60, f"an incident of {entity}")
        assert len(self.events_since(start)) == sent
        assert self.letters() == []
        assert self.anomalies(entity, start)[0] >= began
        assert self.anomalies(entity, began)[0] <= over


@pytest.fixture(scope="module")
def pipeline(kafka: Broker, redis_server: RedisAt) -> Iterator[Pipeline]:
    settings = {"FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0"}
    with Installation(kafka, redis_server, partitions=1, settings=settings) as faultline:
        faultline.start_all(("intake", *STAGES))
        yield Pipeline(faultline)


def bad(second: int) -> bool:
    return CALM <= second < CALM + BAD


def moments(start: datetime, step: int) -> Iterator[tuple[int, datetime]]:
    """Every so many seconds of an hour with an anomaly in it: the second, and when it is."""
    for second in range(0, CALM + BAD + AFTER, step):
        yield second, start + timedelta(seconds=second)


def test_json_lines_by_kcat_with_tenfold_latency_open_an_incident(pipeline: Pipeline) -> None:
    start = pipeline.hour()
    lines = [
        json.dumps(
            {
                "@timestamp": at.isoformat(),
                "service": "checkout",
                "status": 200,
                "path": f"/{second % 7}",
                "latency_ms": (20.0 + second * 37 % 23) * (10 if bad(second) else 1),
            }
        )
        for second, at in moments(start, 1)
    ]
    sent = kcat.post(pipeline.brokers, pipeline.raw, lines)
    pipeline.judge("checkout", start, sent)


def test_errors_logged_by_rsyslog_open_an_incident(pipeline: Pipeline) -> None:
    start = pipeline.hour()
    lines = [
        f"<{ERROR if second % 29 == 0 or (bad(second) and second % 4) else INFO}>1 {at.isoformat()} web-1 shop - - - x"
        for second, at in moments(start, 1)
    ]
    with Rsyslog(pipeline.brokers, pipeline.raw) as rsyslog:
        rsyslog.await_sent(rsyslog.log(lines))
        sent = rsyslog.sent()
    assert sent == len(lines)
    pipeline.judge("shop", start, sent)


def test_a_gauge_read_by_collectd_that_rises_tenfold_opens_an_incident(pipeline: Pipeline) -> None:
    start = pipeline.hour()
    depths = ((at, (20 + second * 37 % 23) * (10 if bad(second) else 1)) for second, at in moments(start, 10))
    values = [f"web-9/queue/gauge-depth interval=10 {int(at.timestamp())}:{depth}" for at, depth in depths]
    with Collectd(pipeline.brokers, pipeline.raw) as collectd:
        collectd.put(*values)
        pipeline.judge("web-9", start, len(values))  # collectd that is stopped forgets what it has not sent yet


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_spans_by_the_collector_with_tenfold_latency_open_an_incident(pipeline: Pipeline, encoding: str) -> None:
    start = pipeline.hour()
    service = f"pay-{encoding}"
    spans = [
        otlp.span(
            "POST /pay",
            int(at.timestamp()) * 1_000_000_000,
            (20.0 + second * 37 % 23) * (10 if bad(second) else 1),
            0,
            second + 1,
            {"http.response.status_code": 200, "http.route": f"/{second % 7}"},
        )
        for second, at in moments(start, 1)
    ]
    with Collector(pipeline.brokers, pipeline.raw, encoding) as collector:
        for first in range(0, len(spans), 500):
            collector.post("traces", otlp.spans_of(spans[first : first + 500], {"service.name": service}))
        collector.await_sent("traces", len(spans))
        sent = collector.sent("traces")
    assert sent == len(spans)
    pipeline.judge(service, start, sent)


def test_clocks_that_differ_between_hosts_make_nobody_else_late(pipeline: Pipeline) -> None:
    """Only what an impossible clock says is a dead letter, and only the slow one's lines are late."""
    windows = next(worker for worker in pipeline.faultline.workers if worker.log.name.startswith("windows"))
    before, letters = _outcomes(pipeline, windows), len(pipeline.letters())
    skews = {"right": 0, "fast": 240, "slow": -240, "wrong": 3600}
    with Rsyslog(pipeline.brokers, pipeline.raw) as rsyslog:
        now = datetime.fromtimestamp(time.time(), UTC)
        lines = [
            f"<{INFO}>1 {(now + timedelta(seconds=skew)).isoformat()} {host} {host} 7 - - line {number}"
            for number in range(50)
            for host, skew in skews.items()
        ]
        rsyslog.await_sent(rsyslog.log(lines))
    eventually(lambda: len(pipeline.letters()) == letters + 50, 60, "dead letters of the wrong clock")
    wanted = {"skewed": 50, "service.in_panes": 150, "service.late_in_closed_pane": 50, "service.dropped_late": 0}
    eventually(lambda: _read(_outcomes(pipeline, windows)) >= _read(before) + len(lines), 60, "all of it is read")
    found = _outcomes(pipeline, windows) - before
    assert {name: found[name] for name in wanted} == wanted
    assert {dict(record.headers)["faultline-error-class"] for record in pipeline.letters()[letters:]} == {b"skewed"}


def _outcomes(pipeline: Pipeline, worker: Daemon) -> Counter[str]:
    """Input records and events by outcome, as the worker counts them."""
    counts: Counter[str] = Counter()
    for name, value in pipeline.faultline.metrics(worker).items():
        if name.startswith("faultline_records_total{"):
            counts[name.split('outcome="')[1].split('"')[0]] += int(value)
    return counts


def _read(counts: Counter[str]) -> int:
    """Records with an event: taken, or with a time that cannot be."""
    return counts["events"] + counts["skewed"]
