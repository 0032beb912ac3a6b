"""Feedback over HTTP: who is believed, what is understood, and what is said."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from workers.cli.failures import WrongUse
from workers.cli.feedback_server import FeedbackServer
from workers.cli.judging import Said
from workers.cli.listening import LARGEST, Answer, Listener, Request
from workers.incidents.controls import control_record, read_feedback
from workers.incidents.feedback import Verdict

TOKEN, SECRET = "a token of tests", "a secret of tests"
INCIDENT = "0123456789abcdef" * 2
Told = list[tuple[Verdict, str, int | None, str, str]]


class Desk:
    """Stands where the control topic is."""

    def __init__(self) -> None:
        self.told: Told = []

    def judge(self, verdict: Verdict, incident: str, until: int | None, comment: str, author: str) -> Said:
        if not incident:
            raise WrongUse("'' is no id of an incident")
        self.told.append((verdict, incident, until, comment, author))
        body = {"verdict": verdict.value, "fingerprint_id": "f", "entity": "checkout", "incident_id": incident}
        record = control_record(incident[:12], body, 1, author, until or 2)
        return Said(read_feedback(record), record)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def listener(desk: Desk) -> Listener:
    return Listener(TOKEN, SECRET, desk.judge)


def form(listener: Listener, body: object, token: str = TOKEN) -> Answer:
    headers = {"authorization": f"Bearer {token}"}
    return listener.answer(Request("POST", "/feedback", headers, orjson.dumps(body)))


def webhook(listener: Listener, kind: str, data: dict[str, Any], secret: str = SECRET) -> Answer:
    body = orjson.dumps({"event": {"event_type": kind, "agent": {"summary": "Ann"}, "data": data}})
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-pagerduty-signature": f"v1=0000,v1={signature}"}
    return listener.answer(Request("POST", "/pagerduty", headers, body))


def test_a_form_says_what_the_command_would(listener: Listener, desk: Desk) -> None:
    answer = form(listener, {"incident_id": INCIDENT, "verdict": "false-alarm", "comment": "backup", "author": "ann"})
    assert (answer.status, answer.document["verdict"]) == (200, "false_alarm")
    until = {"incident_id": INCIDENT, "verdict": "expected", "until": "2026-03-01T00:00:00Z"}
    assert form(listener, until).status == 200
    assert desk.told == [
        (Verdict.FALSE_ALARM, INCIDENT, None, "backup", "ann"),
        (Verdict.EXPECTED, INCIDENT, 1_772_323_200_000_000, "", "http"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"incident_id": "", "verdict": "real"},
        {"incident_id": INCIDENT, "verdict": "perhaps"},
        {"incident_id": INCIDENT, "verdict": "expected"},
        {"incident_id": INCIDENT, "verdict": "expected", "until": "soon"},
        {"incident_id": 1, "verdict": "real"},
        {"incident_id": INCIDENT, "verdict": "real", "entity": "*"},
    ],
)
def test_a_form_that_cannot_be_understood_is_refused_with_a_sentence(
    listener: Listener, desk: Desk, body: object
) -> None:
    answer = form(listener, body)
    assert answer.status == 400
    assert answer.document["error"]
    assert desk.told == []


def test_nobody_is_believed_without_the_token_or_the_signature(listener: Listener, desk: Desk) -> None:
    assert form(listener, {"incident_id": INCIDENT, "verdict": "real"}, token="another").status == 401
    note = {"id": "P1", "content": f"false alarm {INCIDENT}"}
    assert webhook(listener, "incident.annotated", note, secret="another").status == 401
    assert webhook(Listener(TOKEN, "", desk.judge), "incident.annotated", note, secret="").status == 404
    assert listener.answer(Request("POST", "/feedback", {}, b"{}")).status == 401
    assert listener.answer(Request("POST", "/elsewhere", {}, b"{}")).status == 404
    assert desk.told == []


def test_a_note_of_a_false_alarm_is_one_of_the_incident_that_other_webhooks_name(
    listener: Listener, desk: Desk
) -> None:
    def note(theirs: str, text: str) -> Answer:
        data = {"id": "N1", "content": text, "incident": {"id": theirs, "summary": "[#7] checkout is slow"}}
        return webhook(listener, "incident.annotated", data)

    assert webhook(listener, "incident.triggered", {"id": "P1", "incident_key": INCIDENT}).status == 202
    assert note("P1", "we look at it").status == 202
    assert note("P1", "False alarm: the backup").status == 200
    assert note("P2", "false-alarm").status == 202, "which of ours it is, nobody has said yet"
    assert webhook(listener, "incident.resolved", {"id": "P2", "incident_key": INCIDENT[::-1]}).status == 200
    assert webhook(listener, "incident.resolved", {"id": "P2", "incident_key": INCIDENT[::-1]}).status == 202
    assert [(verdict, incident, author) for verdict, incident, _, _, author in desk.told] == [
        (Verdict.FALSE_ALARM, INCIDENT, "pagerduty Ann"),
        (Verdict.FALSE_ALARM, INCIDENT[::-1], "pagerduty Ann"),
    ]


@pytest.fixture
def port(listener: Listener) -> Iterator[int]:
    server = FeedbackServer("127.0.0.1", 0, listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def ask(port: int, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, "/feedback")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, orjson.loads(answer.read())


def test_over_a_socket_bodies_are_bounded_before_they_are_read(port: int, desk: Desk) -> None:
    body = orjson.dumps({"incident_id": INCIDENT, "verdict": "real"})
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(port, "POST", body, known | {"Content-Length": str(len(body))})[0] == 200
    assert ask(port, "POST", None, known | {"Content-Length": str(LARGEST + 1)})[0] == 413
    assert ask(port, "POST", None, known)[0] == 411
    assert ask(port, "GET", None, known)[0] == 405
    assert len(desk.told) == 1


def alertmanager(listener: Listener, verdict: str, body: object, token: str = TOKEN) -> Answer:
    headers = {"authorization": f"Bearer {token}"}
    return listener.answer(Request("POST", f"/alertmanager/{verdict}", headers, orjson.dumps(body)))


def test_a_receiver_of_alertmanager_says_it_of_every_alert_of_ours(listener: Listener, desk: Desk) -> None:
    other = INCIDENT[::-1]
    alerts = [
        {"status": "firing", "labels": {"severity": "high"}, "annotations": {"incident_id": INCIDENT}},
        {"status": "resolved", "labels": {"severity": "low"}, "annotations": {"incident_id": INCIDENT}},
        {"status": "firing", "labels": {}, "annotations": {"summary": "somebody else's"}},
        {"status": "firing", "labels": {}, "annotations": {"incident_id": other}},
    ]
    body = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "false-alarms", "alerts": alerts}
    assert alertmanager(listener, "false-alarm", body).status == 200
    assert alertmanager(listener, "real", {**body, "alerts": alerts[3:]}).status == 200
    assert desk.told == [
        (Verdict.FALSE_ALARM, INCIDENT, None, "", "alertmanager"),
        (Verdict.FALSE_ALARM, other, None, "", "alertmanager"),
        (Verdict.REAL, other, None, "", "alertmanager"),
    ]
    assert alertmanager(listener, "real", {**body, "alerts": alerts[2:3]}).status == 202
    assert alertmanager(listener, "real", body, token="another").status == 401
    assert alertmanager(listener, "real", {"status": "firing"}).status == 400
    assert alertmanager(listener, "perhaps", body).status == 404
    assert len(desk.told) == 3
