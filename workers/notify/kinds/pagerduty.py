"""PagerDuty, Events API v2: trigger and resolve under one dedup key an incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from workers.notify.kinds.kind import Carrier, Digest, Message, Target, cut, headline, page_id, when
from workers.notify.page import Page

_URL = "https://events.pagerduty.com/v2/enqueue"
_SEVERITIES = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
_LONGEST_SUMMARY = 1_024
_MOST_ENTITIES = 100


class PagerDuty:
    carrier: Carrier = "http"
    shows_severity = False
    batch = 1
    keyed = True
    resends = False

    def __init__(self, target: Target) -> None:
        self._target = target
        self._url = target.settings.url or _URL

    def message(self, pages: Sequence[Page], now: int) -> Message:
        [page] = pages
        event = {
            "routing_key": self._target.secret,
            "event_action": "resolve" if page.action == "resolve" else "trigger",
            "dedup_key": page.notice.key,
        }
        if page.action != "resolve":
            event |= self._details(page)
        return Message(page_id(page), orjson.dumps(event), now, url=self._url)

    def digest(self, pages: Sequence[Page], now: int) -> Message:
        digest = Digest.of(pages)
        event = {
            "routing_key": self._target.secret,
            "event_action": "trigger",
            "dedup_key": f"digest-{digest.id}",
            "payload": {
                "summary": cut(digest.text, _LONGEST_SUMMARY),
                "source": "faultline",
                "severity": _SEVERITIES.get(digest.severity, "info"),
                "custom_details": {"by_severity": digest.by_severity, "over": digest.over},
            },
        }
        return Message(digest.id, orjson.dumps(event), now, url=self._url)

    def _details(self, page: Page) -> dict[str, Any]:
        notice, service = page.notice, self._target.service(page.notice)
        details = {
            "severity": notice.severity,
            "reason": notice.reason,
            "impact": notice.impact,
            "recommendation": notice.recommendation,
            "entities": list(notice.entities[:_MOST_ENTITIES]),
            "profile": notice.profile,
            "incident_id": notice.key,
            "fingerprint_id": notice.fingerprint,
            "occurrence_count": notice.occurrence_count,
            "opened_at": when(notice.opened_at),
            "root_causes": list(notice.root_causes),
            "owner": service.owner,
            "labels": self._target.labels(notice),
        }
        payload = {
            "summary": cut(f"{headline(page)}: {notice.reason}", _LONGEST_SUMMARY),
            "source": notice.entity,
            "severity": _SEVERITIES.get(notice.severity, "info"),
            "timestamp": when(notice.time),
            "class": notice.cause,
            "component": notice.profile,
            "group": service.tier,
            "custom_details": {name: value for name, value in details.items() if value},
        }
        links = [{"href": service.runbook, "text": "Runbook"}] if service.runbook else []
        return {"client": "Faultline", "payload": {k: v for k, v in payload.items() if v}, "links": links}
