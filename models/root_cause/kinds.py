"""What a symptom is about, read from the name of its metric: that decides where its cause may lie."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache


class Kind(IntEnum):
    """The numbers are columns of the tables of an incident."""

    LATENCY = 0
    ERRORS = 1
    OTHER = 2
    SILENCE = 3
    TRAFFIC = 4


PASSED_ON = (Kind.LATENCY, Kind.ERRORS)
"""Who waits for a slow callee is slow, who is refused fails: what these cost a callee, it costs its callers too."""

SILENCE = "silence"
"""The metric of an entity from which nothing comes."""

_WORD = re.compile(r"[A-Za-z]+|[0-9]+(?:xx)?")
_LATENCY = frozenset({"latency", "duration", "elapsed", "response"})
_ERRORS = frozenset({"error", "errors", "failure", "failures", "failed", "fatal", "5xx"})
_HEALTH = frozenset({"availability", "success", "successes", "succeeded", "apdex"})
_TRAFFIC = frozenset({"events", "request", "requests", "traffic", "throughput", "rps", "qps", "hits", "calls"})


@lru_cache(maxsize=10_000)
def kind_of(metric: str, up: bool) -> Kind:
    """The kind of a deviation of this metric upwards or downwards; what the name does not tell is `OTHER`."""
    if metric == SILENCE:
        return Kind.SILENCE
    words = {word.lower() for word in _WORD.findall(metric)}
    if words & _HEALTH:
        return Kind.OTHER if up else Kind.ERRORS
    if words & _ERRORS:
        return Kind.ERRORS if up else Kind.OTHER
    if words & _LATENCY:
        return Kind.LATENCY if up else Kind.OTHER
    if words & _TRAFFIC:
        return Kind.TRAFFIC
    return Kind.OTHER
