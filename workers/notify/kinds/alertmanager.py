"""Alertmanager, API v2: one alert an incident and severity, told apart by its labels, sent again while it fires.

A change of severity is another label set: the old one is resolved in the same request, before the new one fires.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from schemas.ids import stable_id
from workers.notify.kinds.kind import Carrier, Message, Target, headline, page_id, when
from workers.notify.notice import Notice
from workers.notify.page import Page

_LEAST_LIFE = 300_000_000
_MISSED = 4
"""An alert ends by itself once so many resends in a row have not come, as those of Prometheus do."""


class Alertmanager:
    """Not paced: it groups by itself."""

    carrier: Carrier = "http"
    shows_severity = True
    batch = 500
    keyed = True
    resends = True

    def __init__(self, target: Target) -> None:
        self._target = target
        self._url = target.settings.url.rstrip("/") + "/api/v2/alerts"
        self._life = max(_LEAST_LIFE, _MISSED * target.settings.resend_ms * 1_000)
        self._headers = {"Authorization": f"Bearer {target.secret}"} if target.secret else {}

    def message(self, pages: Sequence[Page], now: int) -> Message:
        alerts = [alert for page in pages for alert in self._alerts(page, now)]
        return Message(
            id=stable_id(*map(page_id, pages)),
            body=orjson.dumps(alerts),
            time=now,
            url=self._url,
            headers=self._headers,
        )

    def _alerts(self, page: Page, now: int) -> list[dict[str, Any]]:
        notice = page.notice
        if page.action == "resolve":
            return [self._alert(page, notice.severity, page.since, notice.ended_at, now)]
        alerts = [self._alert(page, notice.severity, page.since, now + self._life, now)]
        if page.before is not None and page.before != notice.severity:
            alerts.insert(0, self._alert(page, page.before, page.before_since, notice.time, now))
        return alerts

    def _alert(self, page: Page, severity: str, since: int, until: int, now: int) -> dict[str, Any]:
        """Of an alert that is over, `until` lies not after now, whatever clock the event came from."""
        notice, service = page.notice, self._target.service(page.notice)
        starts = min(since, now)
        ends = until if until > now and page.action != "resolve" and severity == notice.severity else min(until, now)
        told = {
            "summary": headline(page),
            "description": notice.reason,
            "impact": notice.impact,
            "recommendation": notice.recommendation,
            "incident_id": notice.key,
            "entities": ", ".join(notice.entities) if len(notice.entities) > 1 else "",
            "runbook_url": service.runbook,
        }
        return {
            "labels": {**self._known(notice), **_labels(notice), "severity": severity},
            "annotations": {name: text for name, text in told.items() if text},
            "startsAt": when(starts),
            "endsAt": when(max(starts, ends)),
        }

    def _known(self, notice: Notice) -> dict[str, str]:
        service = self._target.service(notice)
        table = {"tier": service.tier, "owner": service.owner, **self._target.labels(notice)}
        return {name: value for name, value in table.items() if value}


def _labels(notice: Notice) -> dict[str, str]:
    name = "FaultlineIncident" if notice.of == "incidents" else "FaultlineGroup"
    return {"alertname": name, "entity": notice.entity, "fingerprint": notice.fingerprint}
