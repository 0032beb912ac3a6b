"""A receiver of one's own: plain JSON, signed where there is a secret.

`X-Faultline-Signature: sha256=<hex>` is HMAC-SHA256 under the secret over `<X-Faultline-Timestamp>.<body>`, with the
timestamp in epoch seconds: whoever checks both knows who sent it, that it is whole, and that it is not an old one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from workers.notify.kinds.kind import Carrier, Digest, Message, Target, headline, page_id, when
from workers.notify.notice import Notice
from workers.notify.page import Page


class Webhook:
    carrier: Carrier = "http"
    shows_severity = True
    batch = 1
    keyed = False
    resends = False

    def __init__(self, target: Target) -> None:
        self._target = target

    def message(self, pages: Sequence[Page], now: int) -> Message:
        [page] = pages
        service = self._target.service(page.notice)
        body = {
            "type": page.action,
            "id": page_id(page),
            "dedup_key": page.notice.key,
            "title": headline(page),
            "previous_severity": page.before,
            **fields(page.notice),
            "service": {"tier": service.tier, "owner": service.owner, "runbook": service.runbook},
            "labels": self._target.labels(page.notice),
        }
        return self._signed(page_id(page), body, now)

    def digest(self, pages: Sequence[Page], now: int) -> Message:
        digest = Digest.of(pages)
        body = {
            "type": "digest",
            "id": digest.id,
            "dedup_key": f"digest-{digest.id}",
            "title": digest.text,
            "severity": digest.severity,
            "pages": digest.pages,
            "over": digest.over,
            "by_severity": digest.by_severity,
            "entities": digest.entities,
            "dedup_keys": list(dict.fromkeys(page.notice.key for page in pages)),
        }
        return self._signed(digest.id, body, now)

    def _signed(self, id: str, content: Mapping[str, Any], now: int) -> Message:
        body, seconds = orjson.dumps(content), str(now // 1_000_000)
        headers = {"X-Faultline-Id": id, "X-Faultline-Timestamp": seconds}
        if self._target.secret:
            headers["X-Faultline-Signature"] = signature(self._target.secret, seconds, body)
        return Message(id, body, now, url=self._target.settings.url, headers=headers)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What a receiver computes as well, and compares in constant time."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def fields(notice: Notice) -> dict[str, Any]:
    """A notice for others: times in RFC 3339."""
    return {
        "event_id": notice.id,
        "event_type": notice.type,
        "time": when(notice.time),
        "of": notice.of,
        "severity": notice.severity,
        "entity": notice.entity,
        "entities": list(notice.entities),
        "profile": notice.profile,
        "cause": notice.cause,
        "fingerprint_id": notice.fingerprint,
        "opened_at": when(notice.opened_at),
        "first_anomalous_at": when(notice.first_anomalous_at),
        "last_anomalous_at": when(notice.last_anomalous_at),
        "resolved_at": None if notice.resolved_at is None else when(notice.resolved_at),
        "occurrence_count": notice.occurrence_count,
        "window_count": notice.window_count,
        "reason": notice.reason,
        "impact": notice.impact,
        "recommendation": notice.recommendation,
        "contributions": list(notice.contributions),
        "root_causes": list(notice.root_causes),
        "incident_ids": list(notice.incident_ids),
    }
