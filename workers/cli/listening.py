"""Feedback over HTTP, from buttons and webhooks of other tools: what a request means, apart from any socket.

Each request is checked before anything is believed: its size, its token or signature, its form.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

import orjson

from schemas.times import parse_time
from workers.cli.failures import Failure, WrongUse
from workers.cli.judging import Said, document
from workers.incidents.feedback import Verdict

LARGEST = 64 << 10
"""Bytes of a body. Webhooks of an incident have some thousands."""

_REMEMBERED = 10_000
_INCIDENT = re.compile(r"\b[0-9a-f]{32}\b")
_FALSE_ALARM = re.compile(r"false[\s_-]*alarm", re.IGNORECASE)

Judge = Callable[[Verdict, str, int | None, str, str], Said]
"""Verdict, incident, until (epoch microseconds), comment, author. Raises `Failure`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What came. `headers` by their names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status and a JSON document."""

    status: int
    document: Mapping[str, object]


class Refused(Exception):
    """A request that is not believed, or not understood. The message goes back."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Listener:
    """Answers requests. An empty `secret` means that no webhook of PagerDuty is taken.

    A note of PagerDuty names its incident by PagerDuty's own id; `_keys` remembers which of ours that is, from other
    webhooks of it, and `_notes` what was noted of one that is not known yet: both bounded, and lost with the process.
    """

    token: str
    secret: str
    judge: Judge
    _keys: dict[str, str] = field(default_factory=dict)
    _notes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request) -> Answer:
        try:
            answering = self._answering(request.path)
            if request.method != "POST":
                raise Refused(405, "only POST")
            return answering(request)
        except Refused as refused:
            return Answer(refused.status, {"error": str(refused)})
        except WrongUse as wrong:
            return Answer(400, {"error": str(wrong)})
        except Failure as failure:
            return Answer(503, {"error": str(failure)})

    def _answering(self, path: str) -> Callable[[Request], Answer]:
        match path:
            case "/feedback":
                return self._form
            case "/pagerduty":
                return self._webhook
            case "/alertmanager/false-alarm":
                return partial(self._alerts, Verdict.FALSE_ALARM)
            case "/alertmanager/real":
                return partial(self._alerts, Verdict.REAL)
        raise Refused(404, "no such page: POST /feedback, /pagerduty, /alertmanager/false-alarm, /alertmanager/real")

    def _alerts(self, verdict: Verdict, request: Request) -> Answer:
        """Alertmanager's webhook, whose route says the verdict: of each alert of ours that it holds."""
        self._check_token(request)
        alerts = _object(request.body).get("alerts")
        if not isinstance(alerts, list):
            raise Refused(400, "no webhook of Alertmanager: alerts is missing")
        noted = [alert.get("annotations") for alert in alerts if isinstance(alert, Mapping)]
        ids = [_text(notes, "incident_id") for notes in noted if isinstance(notes, Mapping)]
        said = [
            self._say(verdict, incident, None, "", "alertmanager").document
            for incident in dict.fromkeys(ids)
            if _INCIDENT.fullmatch(incident)
        ]
        return Answer(200 if said else 202, {"said": said})

    def _check_token(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise Refused(401, "the header Authorization: Bearer TOKEN is missing or wrong")

    def _form(self, request: Request) -> Answer:
        self._check_token(request)
        form = _object(request.body)
        unknown = form.keys() - {"incident_id", "verdict", "until", "comment", "author"}
        if unknown or not all(isinstance(value, str) for value in form.values()):
            raise Refused(400, "give incident_id, verdict and, if you like, until, comment and author: texts all")
        try:
            verdict = Verdict(form.get("verdict", "").replace("-", "_"))
            until = parse_time(form["until"]) if "until" in form else None
        except ValueError as error:
            raise Refused(400, str(error)) from None
        if verdict is Verdict.EXPECTED and until is None:
            raise Refused(400, "say until when it is expected: until")
        author = form.get("author") or "http"
        return self._say(verdict, form.get("incident_id", ""), until, form.get("comment", ""), author)

    def _webhook(self, request: Request) -> Answer:
        self._check_signature(request)
        event = _object(request.body).get("event")
        data = event.get("data") if isinstance(event, Mapping) else None
        if not isinstance(event, Mapping) or not isinstance(data, Mapping):
            raise Refused(400, "no webhook of version 3: event.data is missing")
        about = data.get("incident") if isinstance(data.get("incident"), Mapping) else data
        assert isinstance(about, Mapping)
        theirs, note = _text(about, "id"), _text(data, "content") or _text(data, "resolve_reason")
        who = event.get("agent")
        author = f"pagerduty {_text(who, 'summary') if isinstance(who, Mapping) else ''}".strip()
        with self._lock:
            ours = self._ours(theirs, about, note)
            if _FALSE_ALARM.search(note):
                _remember(self._notes, theirs, (note, author))
            found = self._notes.pop(theirs, None) if ours else None
        if ours is None or found is None:
            return Answer(202, {"said": None})
        return self._say(Verdict.FALSE_ALARM, ours, None, *found)

    def _ours(self, theirs: str, about: Mapping[str, Any], note: str) -> str | None:
        """Our incident: by PagerDuty's key of it, by an id in its title or in the note, or by what came before."""
        for text in (_text(about, "incident_key"), note, _text(about, "title"), _text(about, "summary")):
            found = _INCIDENT.search(text)
            if found is not None:
                _remember(self._keys, theirs, found[0])
                break
        return self._keys.get(theirs)

    def _check_signature(self, request: Request) -> None:
        """One of those given must be HMAC-SHA256 of the body: there are several while a secret is changed."""
        if not self.secret:
            raise Refused(
                404, "no webhooks of PagerDuty are taken here: FAULTLINE_FEEDBACK__PAGERDUTY_SECRET is not set"
            )
        wanted = b"v1=" + hmac.new(self.secret.encode(), request.body, hashlib.sha256).hexdigest().encode()
        given = request.headers.get("x-pagerduty-signature", "").split(",")
        if not any(hmac.compare_digest(one.strip().encode(), wanted) for one in given):
            raise Refused(401, "the header X-PagerDuty-Signature is missing or does not fit the body")

    def _say(self, verdict: Verdict, incident: str, until: int | None, comment: str, author: str) -> Answer:
        said = self.judge(verdict, incident, until, comment, author[:120])
        return Answer(200, document(said, said.record["time"]))


def _remember(known: dict[str, Any], key: str, value: Any) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(400, "the body is no JSON object")
    return found


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
