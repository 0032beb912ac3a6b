"""The alerts `anomaly_detected` and `incident_resolved`: as files, over HTTP, and on a topic of Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from workers.notify.kinds.kind import Carrier, Message, Target, page_id, when
from workers.notify.notice import Notice
from workers.notify.page import Page

_MINUTE = 60_000_000


class _Alert:
    """For machines: every page, none held back for its number."""

    carrier: Carrier
    shows_severity = True
    batch = 1
    keyed = False
    resends = False

    def __init__(self, target: Target) -> None:
        self._url = target.settings.url
        self._headers = {"Authorization": f"Bearer {target.secret}"} if target.secret else {}

    def message(self, pages: Sequence[Page], now: int) -> Message:
        [page] = pages
        alert = resolved(page.notice) if page.action == "resolve" else detected(page.notice)
        return Message(
            page_id(page), orjson.dumps(alert), page.notice.time, page.notice.entity, self._url, self._headers
        )


class Files(_Alert):
    carrier: Carrier = "files"


class Posted(_Alert):
    carrier: Carrier = "http"


class Topic(_Alert):
    carrier: Carrier = "kafka"


def detected(notice: Notice) -> dict[str, Any]:
    return {
        "alert_type": "anomaly_detected",
        "service": notice.entity,
        "timestamp": when(notice.time),
        "overall_severity": notice.severity,
        "anomaly_count": 1,
        "anomalies": [
            {
                "type": notice.cause,
                "severity": notice.severity,
                "confidence_score": notice.confidence,
                "description": notice.reason,
                "metadata": {
                    "fingerprint_id": f"anomaly_{notice.fingerprint}",
                    "incident_id": f"incident_{notice.key}",
                    "occurrence_count": notice.occurrence_count,
                },
            }
        ],
    }


def resolved(notice: Notice) -> dict[str, Any]:
    return {
        "alert_type": "incident_resolved",
        "service": notice.entity,
        "incident_id": f"incident_{notice.key}",
        "fingerprint_id": f"anomaly_{notice.fingerprint}",
        "resolution_details": {
            "final_severity": notice.severity,
            "total_occurrences": notice.window_count,
            "incident_duration_minutes": round((notice.last_anomalous_at - notice.first_anomalous_at) / _MINUTE),
        },
    }
