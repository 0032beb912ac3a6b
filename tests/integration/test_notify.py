"""Pages on their way out: a real Kafka, a real Alertmanager, and receivers that have bad days."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from schemas.records import encode
from tests.support.alertmanager_server import AlertmanagerServer
from tests.support.broker import Broker, Record
from tests.support.installation import Installation, events_of, eventually, has_logged
from tests.support.process import Daemon
from tests.support.receiver import Receiver
from tests.support.redis_server import RedisAt
from tests.workers.notify.given import NOON, Incident, notice, target
from workers.notify.carriers.kafka import KafkaCarrier
from workers.notify.kinds import kind_of
from workers.notify.page import Page
from workers.settings import load_settings

pytestmark = pytest.mark.integration

INCIDENTS = "anomaly.incidents.v1"
PATIENCE = 90.0
QUICK: dict[str, object] = {"gather_ms": 0, "timeout_ms": 1000, "breaker_failures": 2, "breaker_pause_ms": 500}


class Town:
    """An installation whose incidents the tests make up; each test has entities and targets of its own."""

    def __init__(self, faultline: Installation) -> None:
        self.faultline = faultline

    def write(self, *events: dict[str, Any]) -> None:
        """Events as of now: what is made up minutes from noon happens that long from this very moment."""
        shift = time.time_ns() // 1000 - NOON
        times = [name for name in events[0] if name == "time" or name.endswith("_at")]
        moved = [{**e, **{n: e[n] + shift for n in times if e[n] is not None}} for e in events]
        values = encode("IncidentEvent", moved)
        keyed = [Record(value, event["entity"].encode()) for value, event in zip(values, events, strict=True)]
        self.faultline.kafka.produce(self.faultline.topic(INCIDENTS), keyed)

    def notify(self, targets: dict[str, dict[str, object]], *arguments: str) -> Daemon:
        """The worker of these targets, each of them ready."""
        worker = self.faultline.start("notify", {"FAULTLINE_NOTIFY__TARGETS": json.dumps(targets)}, arguments)
        worker.wait_ready(lambda: sum(e["event"] == "loaded" for e in events_of(worker)) >= len(targets), 60)
        return worker


@pytest.fixture(scope="module")
def town(kafka: Broker, redis_server: RedisAt) -> Iterator[Town]:
    with Installation(kafka, redis_server, partitions=1) as faultline:
        yield Town(faultline)


@pytest.fixture(autouse=True)
def nobody_stays(town: Town) -> Iterator[None]:
    yield
    for worker in town.faultline.workers:
        worker.kill()


def webhook(receiver: Receiver, place: str, **more: object) -> dict[str, object]:
    return {"kind": "webhook", "url": receiver.url, "entities": [f"{place}/*"], **QUICK, **more}


def severities(alertmanager: AlertmanagerServer, incident: Incident) -> list[str]:
    return [a["labels"]["severity"] for a in alertmanager.firing() if a["annotations"]["incident_id"] == incident.id]


def never_more_than_one(alertmanager: AlertmanagerServer, incident: Incident, until: list[str]) -> Callable[[], bool]:
    """Whether it is as it is to be in the end; on the way there it never fires twice."""

    def check() -> bool:
        found = severities(alertmanager, incident)
        assert len(found) <= 1, f"fires {found} at once"
        return found == until

    return check


def test_alertmanager_lists_an_incident_once_through_its_life_and_again_after_a_restart(town: Town) -> None:
    incident = Incident("am/checkout")
    with AlertmanagerServer() as server:
        there = {"kind": "alertmanager", "url": server.url, "entities": ["am/*"], "labels": {"team": "shop"}}
        town.notify({"am": {**there, "resend_ms": 1000, "breaker_failures": 1, "breaker_pause_ms": 200}})
        for event, severity in (
            (("CREATE", -3, "medium"), ["medium"]),
            (("ESCALATE", -2, "critical"), ["critical"]),
            (("CONTINUE", -1, "low"), ["low"]),
            (("RESOLVE", -0.5, "low"), []),
            (("REOPEN", -0.4, "medium"), ["medium"]),
        ):
            town.write(incident.event(*event))
            eventually(never_more_than_one(server, incident, severity), PATIENCE, f"{event} is shown")
        [alert] = server.firing()
        assert (alert["labels"]["entity"], alert["labels"]["team"]) == ("am/checkout", "shop")
        server.stop()
        server.start()
        eventually(never_more_than_one(server, incident, ["medium"]), PATIENCE, "it fires again after the restart")
        town.write(incident.event("RESOLVE", -0.2, "medium"))
        eventually(never_more_than_one(server, incident, []), PATIENCE, "it is over")


def test_a_target_on_a_bad_day_loses_nothing_and_delays_no_other(town: Town) -> None:
    with Receiver() as bad, Receiver() as good:
        worker = town.notify({"bad": webhook(bad, "day"), "good": webhook(good, "day")})
        written: list[str] = []
        for answer in (500, None, 429, 503):
            bad.answer, bad.headers = answer, {"Retry-After": "1"} if answer == 429 else {}
            incident = Incident(f"day/{answer}")
            written.append(incident.id)
            asked = bad.asked
            town.write(incident.event("CREATE", 0, "high"))
            eventually(partial(_has, good, written), PATIENCE, "the other has it")
            eventually(partial(_asked_again, bad, asked), PATIENCE, "it was tried")
        eventually(partial(has_logged, worker, "breaker opened"), PATIENCE, "the breaker opens")
        assert not bad.received
        bad.answer, bad.headers = 200, {}
        eventually(partial(_has, bad, written), PATIENCE, "all of it arrives, in order")
        eventually(partial(has_logged, worker, "breaker closed"), PATIENCE, "the breaker closes")
        [pids] = [event["pids"] for event in events_of(worker) if "pids" in event]
        assert isinstance(pids, list)
        os.kill(pids[0], signal.SIGKILL)
        incident = Incident("day/after")
        town.write(incident.event("CREATE", 0, "high"))
        eventually(lambda: bad.bodies[-1]["dedup_key"] == incident.id, PATIENCE, "its process is started again")


def _has(receiver: Receiver, written: list[str]) -> bool:
    return [body["dedup_key"] for body in receiver.bodies] == written


def _asked_again(receiver: Receiver, before: int) -> bool:
    return receiver.asked > before


def test_killed_before_the_commit_it_pages_again_under_the_same_key(town: Town) -> None:
    first, second = Incident("kill/first"), Incident("kill/second")
    with Receiver() as receiver:
        receiver.most = 1
        targets = {"killed": webhook(receiver, "kill", gather_ms=3000)}  # both in hand before one goes
        worker = town.notify(targets)
        town.write(first.event("CREATE", 0), second.event("CREATE", 0))
        eventually(
            lambda: len(receiver.received) == 1 and receiver.asked > 1, PATIENCE, "the first arrives, not the other"
        )
        worker.kill()
        receiver.most = None
        town.notify(targets)
        eventually(lambda: len(receiver.received) >= 3, PATIENCE, "both arrive")
        assert {body["dedup_key"] for body in receiver.bodies} == {first.id, second.id}
        assert len({body["id"] for body in receiver.bodies}) == 2


def test_a_storm_is_one_message(town: Town) -> None:
    with Receiver() as receiver:
        town.write(*(Incident(f"storm/{n}").event("CREATE", 0) for n in range(2000)))
        worker = town.notify({"storm": webhook(receiver, "storm", gather_ms=2000)})
        eventually(lambda: len(receiver.received) >= 1, PATIENCE, "it arrives")
        [body] = receiver.bodies
        assert (body["type"], body["pages"], body["by_severity"]) == ("digest", 2000, {"high": 2000})
        metrics = town.faultline.metrics(worker)
        assert metrics['faultline_pages_total{outcome="digested",target="storm"}'] == 2000


def test_alerts_for_kafka_are_records_keyed_by_entity(town: Town) -> None:
    kafka, settings = town.faultline.kafka, load_settings(town.faultline.settings)
    message = kind_of(target("kafka", "alerts")).message([Page("trigger", notice(), NOON)], NOON)
    carrier = KafkaCarrier(settings, kafka.create_topic(), 10)
    carrier.carry(message)
    carrier.close()
    [record] = kafka.read(carrier.topic)
    assert (record.key, record.value) == (b"checkout", message.body)
    assert dict(record.headers)["faultline-page"] == message.id.encode()


def test_silence_rules_are_followed_and_what_lasts_pages_after_them(town: Town) -> None:
    faultline = town.faultline
    with Receiver() as receiver:
        added = faultline.run("silence", "add", "--entity", "*/pay", "--for", "2h", "--comment", "upgrade", "--json")
        assert added.returncode == 0, added.stderr
        rule = json.loads(added.stdout)["id"]
        town.notify({"quiet": webhook(receiver, "quiet")})
        silenced, other = Incident("quiet/pay"), Incident("quiet/cart")
        town.write(silenced.event("CREATE", 0.1), other.event("CREATE", 0.1))
        eventually(partial(_has, receiver, [other.id]), PATIENCE, "the other one pages")
        listed = json.loads(faultline.run("silence", "list", "--json").stdout)
        assert [(one["id"], one["state"], one["entity"]) for one in listed] == [(rule, "acts", "*/pay")]
        assert faultline.run("silence", "remove", rule[:6]).returncode == 0
        eventually(partial(_pages, town, silenced, receiver, other), PATIENCE, "it pages once the rule has ended")


def _pages(town: Town, incident: Incident, receiver: Receiver, other: Incident) -> bool:
    town.write(incident.event("CONTINUE", 0.1))
    return _has(receiver, [other.id, incident.id])
