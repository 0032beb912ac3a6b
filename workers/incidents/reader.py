"""Scores from bytes, fast where it counts: nearly all are clean, and of those only a few fields are needed.

A clean score in JSON is checked in the fields that the lifecycle reads. Everything else (anomalous scores, Avro, and
whatever does not look right at a glance) goes through the full codec, which also words the fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from schemas.columns import Fault
from schemas.faults import INVALID, KEY_MISMATCH
from schemas.framing import Resolver
from schemas.records import decode
from schemas.times import parse_time

_LATEST = 253_402_300_800_000_000
"""The year 10000, epoch microseconds: what RFC 3339 cannot write."""

_MOST_TIMES = 10_000


class ScoreReader:
    """Reads scores; remembers the times it has parsed, since the scores of one window share theirs."""

    __slots__ = ("_resolver", "_times")

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver
        self._times: dict[str, int] = {}

    def read(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> Iterator[dict[str, Any] | Fault]:
        """One score or fault a record, in order; a fault's `record` is the place in `values`.

        Of a score that is not an anomaly only these fields are there for sure: id, entity, profile, window_start and
        window_end (epoch microseconds), event_count, silent, retired, regular, anomaly_score, is_anomaly, model.role.
        """
        found: list[dict[str, Any] | Fault | None]
        found = [self._glance(value) if value and value[0] == 0x7B else None for value in values]
        slow = [place for place, score in enumerate(found) if score is None]
        scores, faults = decode("Score", [values[place] for place in slow], resolver=self._resolver)
        for place, score in zip(slow, scores, strict=True):
            found[place] = score
        for fault in faults:
            found[slow[fault.record]] = Fault(slow[fault.record], fault.error_class, fault.message)
        for place, (key, one) in enumerate(zip(keys, found, strict=True)):
            assert one is not None
            yield one if isinstance(one, Fault) else _checked(place, key, one)

    def _glance(self, value: bytes) -> dict[str, Any] | None:
        """The score if it is a clean one in the usual form."""
        try:
            score = orjson.loads(value)
            if (
                score["is_anomaly"] is not False
                or type(score["anomaly_score"]) is not float
                or type(score["event_count"]) is not int
                or type(score["entity"]) is not str
                or type(score["profile"]) is not str
                or type(score["id"]) is not str
                or type(score["silent"]) is not bool
                or type(score["retired"]) is not bool
                or type(score["regular"]) is not bool
                or type(score["model"]["role"]) is not str
            ):
                return None
            score["window_start"] = self._time(score["window_start"])
            score["window_end"] = self._time(score["window_end"])
        except (ValueError, TypeError, KeyError):
            return None
        return score  # type: ignore[no-any-return]

    def _time(self, text: str) -> int:
        time = self._times.get(text)
        if time is None:
            if len(self._times) >= _MOST_TIMES:
                self._times.clear()
            time = self._times[text] = parse_time(text)
        return time


def _checked(place: int, key: bytes | None, score: dict[str, Any]) -> dict[str, Any] | Fault:
    entity: str = score["entity"]
    if key is not None and key != entity.encode():
        return Fault(place, KEY_MISMATCH, f"the key is not the entity {entity!r}: key scores by their entity")
    start, end = score["window_start"], score["window_end"]
    if not 0 <= start <= end < _LATEST:
        return Fault(place, INVALID, f"window_start {start} and window_end {end} are no window from 1970 to 9999")
    return score
