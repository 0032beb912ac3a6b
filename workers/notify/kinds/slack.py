"""Slack, incoming webhooks: a header, a sentence or two, and what is known about the entity.

All text is escaped as Slack asks (& < >) and marked verbatim, so that no name becomes a link or a call to a channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from workers.notify.kinds.kind import Carrier, Digest, Message, Target, cut, headline, page_id, when
from workers.notify.page import Page

_LONGEST_HEADER, _LONGEST_TEXT = 150, 2_900
_SIGNS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "⚪"}
_OVER = "🟢"


class Slack:
    carrier: Carrier = "http"
    shows_severity = False
    batch = 1
    keyed = False
    resends = False

    def __init__(self, target: Target) -> None:
        self._target = target

    def message(self, pages: Sequence[Page], now: int) -> Message:
        [page] = pages
        notice, service = page.notice, self._target.service(page.notice)
        sign = _OVER if page.action == "resolve" else _SIGNS.get(notice.severity, "")
        said = "\n".join(part for part in (notice.reason, notice.impact, notice.recommendation) if part)
        known = [
            f"since {when(notice.opened_at)}",
            notice.profile,
            service.tier and f"tier {service.tier}",
            service.owner,
        ]
        context = " · ".join(escaped(one) for one in known if one)
        if service.runbook:
            context += f" · <{service.runbook}|runbook>"
        return self._message(page_id(page), f"{sign} {headline(page)}", said, context, now)

    def digest(self, pages: Sequence[Page], now: int) -> Message:
        digest = Digest.of(pages)
        sign = _SIGNS.get(digest.severity, "")
        return self._message(digest.id, f"{sign} {digest.pages} more pages", digest.text, "", now)

    def _message(self, id: str, title: str, text: str, context: str, now: int) -> Message:
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": cut(title, _LONGEST_HEADER), "emoji": False}},
            {"type": "section", "text": _mrkdwn(escaped(cut(text, _LONGEST_TEXT // 4)))},
        ]
        if context:
            blocks.append({"type": "context", "elements": [_mrkdwn(context)]})
        body = orjson.dumps({"text": escaped(cut(f"{title}: {text}", _LONGEST_TEXT // 4)), "blocks": blocks})
        return Message(id, body, now, url=self._target.secret)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}
