"""Pages on their way out: a real Kafka, a real Alertmanager, and receivers that have bad days."""

from __future__ import annotations

import json
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
from tests.workers.notify.given import NOON, Incident

pytestmark = pytest.mark.integration

INCIDENTS = "anomaly.incidents.v1"
QUICK: dict[str, object] = {"gather_ms": 0, "timeout_ms": 1000, "breaker_failures": 2, "breaker_pause_ms": 500}


class Town:
    """An installation whose incidents the test makes up."""

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

    def notify(self, target: str, **targets: dict[str, object]) -> Daemon:
        """The worker of one target, ready, with these settings for all."""
        settings = {"FAULTLINE_NOTIFY__TARGETS": json.dumps(targets)}
        worker = self.faultline.start("notify", settings, ["--target", target])
        worker.wait_ready(partial(has_logged, worker, "loaded"), 60)
        return worker

    def all_loaded(self, worker: Daemon, count: int) -> bool:
        return sum(event["event"] == "loaded" for event in events_of(worker)) >= count


@pytest.fixture
def town(kafka: Broker, redis_server: RedisAt) -> Iterator[Town]:
    with Installation(kafka, redis_server, partitions=1) as faultline:
        yield Town(faultline)


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[AlertmanagerServer]:
    with AlertmanagerServer() as server:
        yield server


def severities(alertmanager: AlertmanagerServer, incident: Incident) -> list[str]:
    return [a["labels"]["severity"] for a in alertmanager.firing() if a["annotations"]["incident_id"] == incident.id]


def never_more_than_one(alertmanager: AlertmanagerServer, incident: Incident, until: list[str]) -> Callable[[], bool]:
    """Whether it is as it is to be in the end; on the way there it never fires twice."""

    def check() -> bool:
        found = severities(alertmanager, incident)
        assert len(found) <= 1, f"fires {found} at once"
        return found == until

    return check


def test_alertmanager_lists_an_incident_once_through_its_life(town: Town, alertmanager: AlertmanagerServer) -> None:
    incident = Incident("shop/checkout")
    town.notify("am", am={"kind": "alertmanager", "url": alertmanager.url, "labels": {"team": "shop"}})
    for event, severity in (
        (("CREATE", -3, "medium"), ["medium"]),
        (("ESCALATE", -2, "critical"), ["critical"]),
        (("CONTINUE", -1, "low"), ["low"]),
        (("RESOLVE", -0.5, "low"), []),
        (("REOPEN", -0.4, "medium"), ["medium"]),
        (("RESOLVE", -0.2, "medium"), []),
    ):
        town.write(incident.event(*event))
        eventually(never_more_than_one(alertmanager, incident, severity), 20, f"{event} is shown")
        for alert in alertmanager.firing():
            assert alert["labels"]["team"] == "shop"
            assert alert["labels"]["entity"] == "shop/checkout"


def test_what_an_alertmanager_forgets_it_is_told_again(town: Town) -> None:
    incident = Incident("shop/cart")
    target = {"kind": "alertmanager", "resend_ms": 1000, "breaker_failures": 1, "breaker_pause_ms": 200}
    with AlertmanagerServer() as server:
        town.notify("am", am={**target, "url": server.url})
        town.write(incident.event("CREATE", -3, "high"))
        eventually(lambda: severities(server, incident) == ["high"], 20, "it fires")
        server.stop()
        server.start()
        eventually(lambda: severities(server, incident) == ["high"], 20, "it fires again")


def test_a_target_on_a_bad_day_loses_nothing_and_delays_no_other(town: Town) -> None:
    with Receiver() as bad, Receiver() as good:
        targets: dict[str, dict[str, object]] = {
            "bad": {"kind": "webhook", "url": bad.url, **QUICK},
            "good": {"kind": "webhook", "url": good.url, **QUICK},
        }
        ill = town.notify("bad", **targets)
        town.notify("good", **targets)
        written: list[str] = []
        for answer in (500, None, 429, 503):
            bad.answer, bad.headers = answer, {"Retry-After": "1"} if answer == 429 else {}
            incident = Incident(f"shop/{answer}")
            written.append(incident.id)
            asked = bad.asked
            town.write(incident.event("CREATE", 0, "high"))
            eventually(lambda: [b["dedup_key"] for b in good.bodies] == written, 20, "the other has it")
            eventually(partial(_asked_again, bad, asked), 20, "it was tried")
        eventually(partial(has_logged, ill, "breaker opened"), 20, "the breaker opens")
        assert not bad.received
        assert town.faultline.metrics(ill)['faultline_pages_held{target="bad"}'] == 4
        bad.answer, bad.headers = 200, {}
        eventually(lambda: len(bad.received) >= 4, 20, "all of it arrives")
        assert [body["dedup_key"] for body in bad.bodies] == written
        eventually(partial(has_logged, ill, "breaker closed"), 20, "the breaker closes")


def _asked_again(receiver: Receiver, before: int) -> bool:
    return receiver.asked > before


def test_what_a_target_refuses_holds_up_nothing(town: Town) -> None:
    with Receiver() as receiver:
        worker = town.notify("hook", hook={"kind": "webhook", "url": receiver.url, **QUICK})
        receiver.answer = 422
        town.write(Incident("refused").event("CREATE", 0))
        eventually(lambda: receiver.asked > 0, 20, "it was tried")
        eventually(partial(has_logged, worker, "the target refuses a page, which is given up"), 20, "it is told")
        receiver.answer = 200
        town.write(Incident("taken").event("CREATE", 0))
        eventually(lambda: [body["entity"] for body in receiver.bodies] == ["taken"], 20, "the next one arrives")
        metrics = town.faultline.metrics(worker)
        assert metrics['faultline_pages_total{outcome="refused",target="hook"}'] == 1


def test_killed_before_the_commit_it_pages_again_under_the_same_key(town: Town) -> None:
    first, second = Incident("first"), Incident("second")
    with Receiver() as receiver:
        hook = {"kind": "webhook", "url": receiver.url, **QUICK, "max_pages": 1, "gather_ms": 0}
        worker = town.notify("hook", hook=hook)
        town.write(first.event("CREATE", 0), second.event("CREATE", 0))
        eventually(lambda: len(receiver.received) == 1, 20, "the first arrives, the other waits for its minute")
        worker.kill()
        town.notify("hook", hook={**hook, "max_pages": 0})
        eventually(lambda: len(receiver.received) >= 3, 30, "both arrive")
        keys = [body["dedup_key"] for body in receiver.bodies]
        ids = [body["id"] for body in receiver.bodies]
        assert set(keys) == {first.id, second.id}
        assert len(set(ids)) == 2


def test_a_storm_is_one_message(town: Town) -> None:
    with Receiver() as receiver:
        town.write(*(Incident(f"shop/{n}").event("CREATE", 0) for n in range(2000)))
        town.notify("hook", hook={"kind": "webhook", "url": receiver.url, "gather_ms": 1000})
        eventually(lambda: len(receiver.received) >= 1, 30, "it arrives")
        [body] = receiver.bodies
        assert (body["type"], body["pages"], body["by_severity"]) == ("digest", 2000, {"high": 2000})


def test_silence_rules_are_followed_and_what_lasts_pages_after_them(town: Town) -> None:
    faultline = town.faultline
    with Receiver() as receiver:
        town.notify("hook", hook={"kind": "webhook", "url": receiver.url, **QUICK})
        added = faultline.run("silence", "add", "--entity", "shop/*", "--for", "2h", "--comment", "upgrade", "--json")
        assert added.returncode == 0, added.stderr
        rule = json.loads(added.stdout)["id"]
        silenced, other = Incident("shop/pay"), Incident("bank/pay")
        time.sleep(1.0)  # a rule is followed within a second
        town.write(silenced.event("CREATE", 0.1), other.event("CREATE", 0.1))
        eventually(lambda: [b["entity"] for b in receiver.bodies] == ["bank/pay"], 20, "the other one pages")
        listed = json.loads(faultline.run("silence", "list", "--json").stdout)
        assert [(one["id"], one["state"], one["entity"]) for one in listed] == [(rule, "acts", "shop/*")]
        assert faultline.run("silence", "remove", rule[:6]).returncode == 0
        assert json.loads(faultline.run("silence", "list", "--json").stdout) == []
        assert faultline.run("silence", "remove", rule).returncode == 1
        eventually(partial(_pages, town, silenced, receiver), 20, "it pages once the rule has ended")


def _pages(town: Town, incident: Incident, receiver: Receiver) -> bool:
    town.write(incident.event("CONTINUE", 0.1))
    return [body["entity"] for body in receiver.bodies] == ["bank/pay", "shop/pay"]


def test_every_target_runs_in_a_process_of_its_own_and_comes_back(town: Town, tmp_path: Any) -> None:
    folders = {name: {"kind": "files", "url": str(tmp_path / name)} for name in ("one", "two")}
    settings = {"FAULTLINE_NOTIFY__TARGETS": json.dumps(folders)}
    worker = town.faultline.start("notify", settings)
    worker.wait_ready(partial(town.all_loaded, worker, 2), 60)
    incident = Incident("shop/pay")
    town.write(incident.event("CREATE", 0))
    eventually(lambda: all(list((tmp_path / name).glob("*.json")) for name in folders), 20, "both have it")
    for name in folders:
        [file] = (tmp_path / name).glob("*.json")
        assert json.loads(file.read_text())["alert_type"] == "anomaly_detected"
    worker.stop()
