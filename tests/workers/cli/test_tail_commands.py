"""`faultline scores tail` and `faultline incidents tail` against a real broker."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.records import encode
from tests.support.broker import Broker, Record
from tests.support.cli import Finished, faultline
from workers.cli.incidents import line as incident_line
from workers.cli.scores import because

NOON = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z


def score(entity: str, value: float, **changes: Any) -> dict[str, object]:
    return {
        "id": "0" * 32,
        "entity": entity,
        "profile": "service",
        "window_start": NOON - 10_000_000,
        "window_end": NOON,
        "event_count": 12,
        "silent": False,
        "retired": False,
        "regular": True,
        "anomaly_score": value,
        "is_anomaly": value >= 1,
        "severity": "medium" if value >= 1 else None,
        "confidence": 0.93,
        "model": {"id": "m", "version": "v", "role": "fallback", "scope": "global", "period": "all"},
        "expected": [{"metric": "latency_p99", "actual": 840.0, "low": 90.0, "high": 130.0}],
        "contributions": [{"metric": "latency_p99", "feature": "p99", "share": 0.62, "direction": "up"}],
        "note": "",
        **changes,
    }


def incident(entity: str, kind: str, severity: str) -> dict[str, object]:
    return {
        "type": kind,
        "id": "1" * 32,
        "time": NOON,
        "score_id": "0" * 32,
        "incident_id": "abcdef01" + "2" * 24,
        "fingerprint_id": "3" * 32,
        "sequence": 0,
        "entity": entity,
        "profile": "service",
        "cause": "deviation",
        "regular": True,
        "severity": severity,
        "first_anomalous_at": NOON,
        "opened_at": NOON,
        "last_anomalous_at": NOON,
        "resolved_at": None,
        "closed_at": None,
        "occurrence_count": 1,
        "window_count": 3,
        "rule": {"name": "m of n", "have": 3, "need": 3},
        "reason": "p99 latency is six times what it was [usually]",
        "impact": "",
        "recommendation": "",
        "contributions": [],
    }


@pytest.fixture
def env(kafka: Broker) -> dict[str, str]:
    return {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FAULTLINE_TOPICS__SCORES": kafka.create_topic(partitions=2),
        "FAULTLINE_TOPICS__INCIDENTS": kafka.create_topic(partitions=2),
    }


def tail(env: dict[str, str], *options: str) -> Finished:
    done = faultline("scores", "tail", "--since", "all", "--stop", *options, env=env)
    assert done.code == 0, done.err
    return done


@pytest.mark.integration
def test_scores_are_shown_by_line_or_as_the_records_they_are(kafka: Broker, env: dict[str, str]) -> None:
    records = [score("checkout", 1.83), score("search", 0.2)]
    avro, json = encode("Score", records[:1], "avro")[0], encode("Score", records[1:])[0]
    kafka.produce(env["FAULTLINE_TOPICS__SCORES"], [Record(avro, partition=0), Record(json, partition=1)])

    text = tail(env).out
    assert "2026-03-01T12:00:00Z   1.83  medium" in text
    assert "checkout (service)" in text
    assert "latency_p99 up 62% (840, expected 90–130)" in text
    shown = {one["entity"]: one for one in tail(env, "--json").lines}
    assert shown["search"]["window_end"] == "2026-03-01T12:00:00.000000Z"
    assert shown["checkout"]["anomaly_score"] == 1.83


@pytest.mark.integration
def test_filters_and_the_limit_leave_out_the_rest(kafka: Broker, env: dict[str, str]) -> None:
    values = encode("Score", [score("a", 0.2), score("b", 1.0), score("b", 2.5), score("c", 4.0)])
    kafka.produce(env["FAULTLINE_TOPICS__SCORES"], [Record(value, partition=0) for value in values])
    assert [one["entity"] for one in tail(env, "--json", "--anomalies").lines] == ["b", "b", "c"]
    assert [one["anomaly_score"] for one in tail(env, "--json", "--entity", "b", "--min", "2").lines] == [2.5]
    assert len(tail(env, "--json", "--limit", "2").lines) == 2


@pytest.mark.integration
def test_what_was_aborted_or_only_tells_progress_is_not_shown(kafka: Broker, env: dict[str, str]) -> None:
    topic = env["FAULTLINE_TOPICS__INCIDENTS"]
    committed, aborted = encode("IncidentEvent", [incident("a", "CREATE", "high"), incident("b", "CREATE", "high")])
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": kafka.unique("tx")})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, aborted, partition=0)
    producer.flush(30)
    producer.abort_transaction(30)
    progress = Record(b'{"time":"2026-03-01T12:00:00.000000Z"}', headers=(("faultline-progress", b"1"),), partition=0)
    kafka.produce(topic, [progress, Record(committed, partition=0)])

    done = faultline("incidents", "tail", "--since", "all", "--stop", "--json", env=env)
    assert [one["entity"] for one in done.lines] == ["a"]


@pytest.mark.integration
def test_incidents_can_be_followed_from_a_severity_on(kafka: Broker, env: dict[str, str]) -> None:
    values = encode("IncidentEvent", [incident("a", "CREATE", "low"), incident("b", "ESCALATE", "critical")])
    kafka.produce(env["FAULTLINE_TOPICS__INCIDENTS"], [Record(value, partition=0) for value in values])
    done = faultline("incidents", "tail", "--since", "all", "--stop", "--severity", "high", env=env)
    assert "ESCALATE" in done.out
    assert "p99 latency is six times what it was [usually]" in done.out
    assert "CREATE" not in done.out
    assert faultline("incidents", "tail", "--severity", "dire", env=env).code == 2


def test_a_missing_number_is_shown_as_such_or_left_out() -> None:
    nan = float("nan")
    bands = [{"metric": "latency_p99", "actual": 840.0, "low": nan, "high": 130.0}]
    assert because(score("a", 2, expected=bands)) == "latency_p99 up 62% (840, expected ?–130)"
    assert because(score("a", 2, expected=[{**bands[0], "actual": nan}])) == "latency_p99 up 62%"


@pytest.mark.integration
def test_what_is_no_score_is_told_beside_the_others(kafka: Broker, env: dict[str, str]) -> None:
    good = encode("Score", [score("a", 2.0)])[0]
    topic = env["FAULTLINE_TOPICS__SCORES"]
    kafka.produce(topic, [Record(b"garbage", partition=0), Record(good, partition=0)])
    done = tail(env, "--json")
    assert [one["entity"] for one in done.lines] == ["a"]
    assert f"{topic} 0:0 is no Score" in done.err


def test_a_score_without_contributions_shows_its_note() -> None:
    assert because(score("a", 0, contributions=[], note="needs 37 more intervals")) == "needs 37 more intervals"


def test_an_incident_line_names_what_where_why_and_which() -> None:
    text = incident_line(incident("pay[dim]", "CREATE", "high"))
    assert "pay\\[dim]" in text
    assert "abcdef01" in text
