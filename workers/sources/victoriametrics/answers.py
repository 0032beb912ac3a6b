"""Answers of Prometheus' HTTP API as series of numbers, and what the other ones mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from workers.runtime.retry_after import waiting_time
from workers.sources.victoriametrics.errors import Away, Refused, SourceError, TooMuch

_TOO_MUCH = re.compile(
    r"too many (points|samples|series|unique|matching)|maximum resolution|exceed|cannot select more|too large|"
    r"timed? ?out|deadline|memory",
    re.I,
)
_BAD, _UNPROCESSABLE, _UNAVAILABLE, _TOO_MANY, _TIMED_OUT, _TOO_LARGE = 400, 422, 503, 429, 408, 413
_LONGEST_WAIT, _UNSAID_WAIT = 300.0, 1.0
_SAID = 300


@dataclass(frozen=True, slots=True)
class Series:
    """`time` (n,) epoch microseconds, ascending; `value` (n,)."""

    labels: Mapping[str, str]
    time: NDArray[np.int64]
    value: NDArray[np.float64]


def read_answer(body: bytes, warned: list[str]) -> Any:
    """`data` of a good answer. Warnings are added to `warned`. Raises Away for a part of an answer, and Refused."""
    try:
        answer = orjson.loads(body)
        good = answer["status"] == "success"
        data = answer.get("data")
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        raise Refused("the answer is not that of Prometheus' HTTP API. Is the address right?") from None
    if not good:
        raise Refused(_said(answer.get("error")))
    if answer.get("isPartial"):
        raise Away("the answer is only a part: some of the cluster's storage nodes are away")
    warned += [_said(text) for text in answer.get("warnings") or []]
    return data


def series_of(data: Any) -> list[Series]:
    """The series of a matrix or a vector. Raises Refused for other results, and for malformed ones."""
    try:
        kind, result = data["resultType"], data["result"]
        if kind == "matrix":
            return [_series(one["metric"], one["values"]) for one in result]
        if kind == "vector":
            return [_series(one["metric"], [one["value"]]) for one in result]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"the answer cannot be understood ({type(error).__name__})") from error
    raise Refused(f"the query gives a {kind}, and has to give series: aggregate with `sum by (…)` or the like")


def _series(labels: Mapping[str, str], values: list[list[Any]]) -> Series:
    time = np.array([round(float(t) * 1_000_000) for t, _ in values], np.int64)
    return Series(dict(labels), time, np.array([float(v) for _, v in values], np.float64))


def judge(status: int, body: bytes, retry_after: str, now: float) -> SourceError | None:
    """What an answer means that is not a good one; None for a good one. `now`: epoch seconds."""
    if 200 <= status < 300:
        return None
    said = _said(_error_of(body))
    text = f"HTTP {status}" + (f": {said}" if said else "")
    if status in (401, 403):
        return Refused(
            f"HTTP {status}: the server does not let us in. Set FAULTLINE_VICTORIAMETRICS__USERNAME and __PASSWORD, or "
            "__TOKEN (each also …_FILE)"
        )
    if status == _TOO_LARGE or (status in (_BAD, _UNPROCESSABLE) and _TOO_MUCH.search(said)):
        return TooMuch(text)
    if status == _TOO_MANY or (status == _UNAVAILABLE and retry_after):
        return Away(text, waiting_time(retry_after, now, _LONGEST_WAIT, _UNSAID_WAIT))
    if status == _UNAVAILABLE and _TOO_MUCH.search(said):  # Prometheus says so of a query that takes too long
        return TooMuch(text)
    if status >= 500 or status == _TIMED_OUT:
        return Away(text)
    if status == 404 or status < 400 or (status == _BAD and not said):
        return Refused(
            f"HTTP {status}: nothing of Prometheus' HTTP API is at this address. Of a cluster it ends in "
            "/select/0/prometheus; redirects are not followed"
        )
    return Refused(said or text)


def server_time(date: str) -> float | None:
    """Epoch seconds of the header `Date`; None where there is none that can be read."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None


def _error_of(body: bytes) -> object:
    try:
        return orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return ""


def _said(text: object) -> str:
    """Words of the server: one line, bounded, and no address with what may be secret in it."""
    line = re.sub(r"https?://\S+", "…", " ".join(str(text or "").split()))
    return line if len(line) <= _SAID else line[: _SAID - 1] + "…"
