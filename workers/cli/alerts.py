"""Alerts of one run: what is wrong now, and what is over since the run before, in the payloads of the seed's kinds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from workers.incidents.naming import read_metric
from workers.notify.kinds.kind import Message, page_id
from workers.notify.kinds.seed import detected, resolved
from workers.notify.notice import OVER, SILENCE, Notice, of_incident
from workers.notify.page import Page
from workers.units import quantity, shown, span

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """One payload, and the notice that it tells of."""

    notice: Notice
    over: bool

    @property
    def payload(self) -> dict[str, Any]:
        return resolved(self.notice) if self.over else detected(self.notice)

    @property
    def message(self) -> Message:
        """The same for the same alert, whenever it is delivered."""
        page = Page("resolve" if self.over else "trigger", self.notice, self.notice.time)
        return Message(page_id(page), orjson.dumps(self.payload), self.notice.time, self.notice.entity)


@dataclass(slots=True)
class Standing:
    """What is open, by incident id: the latest event of each. Taken over from the run before."""

    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    _over: list[Alert] = field(default_factory=list)
    _came: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What opened in this run: the event that said so, or that it got worse."""

    def take(self, events: Iterable[Event]) -> None:
        """Incident events, in order."""
        for event in events:
            known = self.open.get(event["incident_id"])
            if event["type"] in OVER:
                if known is not None:
                    self._end(event["incident_id"], dict(event))
            elif event["type"] != "SUPPRESS" and _tells(event):
                if known is None or (event["incident_id"] in self._came and event["type"] == "ESCALATE"):
                    self._came[event["incident_id"]] = dict(event)
                self.open[event["incident_id"]] = dict(event)

    def forget_the_past(self) -> None:
        """What was over before the first run is nobody's news."""
        self._over.clear()
        self._came.clear()

    def end_unknown(self, told: Mapping[str, dict[str, Any]]) -> None:
        """End what earlier runs told of and nobody knows of any more, since their state is not gone on from."""
        for incident_id in sorted(told.keys() - self.open.keys()):
            self.open[incident_id] = told[incident_id]
            self._end(incident_id, told[incident_id])

    def alerts(self) -> list[Alert]:
        """What is over, and what is still open, by time."""
        standing = [Alert(of_incident(event), over=False) for event in self.open.values()]
        return sorted([*self._over, *standing], key=lambda one: (one.notice.time, one.notice.key, one.over))

    def _end(self, incident_id: str, event: dict[str, Any]) -> None:
        last, came = self.open.pop(incident_id), self._came.pop(incident_id, None)
        if came is not None:  # it came and went since the run before
            self._over.append(Alert(of_incident(came), over=False))
        self._over.append(Alert(replace(of_incident(event), severity=last["severity"]), over=True))


def _tells(event: Event) -> bool:
    """Whether an event of ongoing trouble is worth an alert: silence of who reports now and then is not."""
    return bool(event["cause"] != SILENCE or event["regular"])


def explained(alert: Alert) -> list[str]:
    """What is behind an alert, for people."""
    notice = alert.notice
    state = "over" if alert.over else notice.severity
    lines = [f"{shown(notice.entity)} ({state}): {notice.reason}"]
    lines += [f"  {text}" for text in (notice.impact, notice.recommendation) if text]
    for one in notice.contributions:
        unit = read_metric(one["metric"]).unit
        seen = "" if one.get("actual") is None else f" {quantity(one['actual'], unit)}"
        usual = "" if one.get("low") is None else f", expected {span(one['low'], one['high'], unit)}"
        lines.append(f"  {one['share']:.0%} {one['metric']} {one['direction']}:{seen}{usual}")
    return lines
