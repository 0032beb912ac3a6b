"""Sentences about log messages: what an entity says now, says too often, or no longer says."""

from __future__ import annotations

from models.logs.names import NEW, read_name, said_text
from workers.incidents.naming import call_window
from workers.incidents.scores import Contribution
from workers.units import COUNT, quantity, span


def message_level(one: Contribution, name: str, still: str) -> str | None:
    """`shop says "connection to <*> refused" 214 times in 1 min, expected 0–2`; None where it is of no messages."""
    read = read_name(one.metric)
    if read is None:
        return None
    metric, text, window = read
    within = f" in {call_window(window)}" if window else ""
    adverb = f" {still}" if still else ""
    if metric == NEW:
        said = said_text(one.feature)
        kind = "has a new kind of message" if said is not None else "has new kinds of messages"
        quoted = f' "{said}",' if said is not None else ""
        often = f" {_times(one.actual)}{within}" if one.actual is not None else ""
        return f"{name}{adverb} {kind}:{quoted}{often}{_expected(one)}".removesuffix(":")
    what = f'"{text}"' if text is not None else "messages that are rare"
    if one.actual == 0.0 and one.direction == "down":
        verb = "still does not say" if still else "no longer says"
        return f"{name} {verb} {what}: not once{within}{_expected(one)}"
    if one.actual is None:
        way = "unusually rarely" if one.direction == "down" else "unusually often"
        return f"{name}{adverb} says {what} {way}"
    only = "only " if one.direction == "down" else ""
    return f"{name}{adverb} says {what} {only}{_times(one.actual)}{within}{_expected(one)}"


def _times(count: float) -> str:
    return {1.0: "once", 2.0: "twice"}.get(count, f"{quantity(count, COUNT)} times")


def _expected(one: Contribution) -> str:
    if one.low is None or one.high is None:
        return ""
    return f", expected {span(max(one.low, 0.0), max(one.high, 0.0), COUNT)}"
