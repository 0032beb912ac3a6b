"""Messages over HTTP: bounded in time and size, quick repetitions for what passes quickly, and one word per answer."""

from __future__ import annotations

import logging
import random
import time
from typing import NamedTuple

import httpx2
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workers.notify.errors import Refused, Slow, Unreachable
from workers.notify.kinds.kind import Message
from workers.runtime.bounded import Bounded, Overrun
from workers.runtime.retry_after import waiting_time

log = structlog.get_logger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells whole addresses otherwise, and some are secret

_TRIES = 2
_TOO_MANY, _TIMED_OUT, _SERVER_ERRORS = 429, 408, 500
_NOT_US = frozenset({401, 403, 404, 405, 407, 410})
"""Answers that say nothing about the message: the address or the secret is wrong, or is not any more. Every other
message would be refused as well, so they are held until someone has put it right."""

_DEFAULT_WAIT, _LONGEST_WAIT = 10.0, 3_600.0
_ANSWER_BYTES = 2_048


class Answer(NamedTuple):
    status: int
    retry_after: str
    text: str


class _Passing(Exception):
    """What may be otherwise a moment later."""


class HttpCarrier:
    """`seconds` bounds a message, all of it: names looked up, repetitions, and an answer that trickles in."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._bounded = Bounded("notify-http")
        self._client = self._new_client()

    def carry(self, message: Message) -> None:
        try:
            answer: Answer = self._bounded.run(lambda: self._patiently(message), self._seconds)
        except Overrun:
            self._client.close()
            self._client = self._new_client()
            raise Unreachable(f"no answer within {self._seconds:g} s") from None
        except _Passing as passing:
            raise Unreachable(str(passing)) from passing
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        judge(answer)

    def close(self) -> None:
        self._bounded.close()
        self._client.close()

    def _new_client(self) -> httpx2.Client:
        return httpx2.Client(timeout=self._seconds, follow_redirects=False, headers={"User-Agent": "faultline"})

    def _patiently(self, message: Message) -> Answer:
        attempts = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(multiplier=0.1, max=0.5),
            before_sleep=_told,
            reraise=True,
        )
        return attempts(self._post, self._client, message)

    def _post(self, client: httpx2.Client, message: Message) -> Answer:
        headers = {"Content-Type": "application/json", **(message.headers or {})}
        try:
            with client.stream("POST", message.url, content=message.body, headers=headers) as response:
                text = next(response.iter_bytes(_ANSWER_BYTES), b"").decode(errors="replace")
                answer = Answer(response.status_code, response.headers.get("Retry-After", ""), text)
        except (httpx2.ConnectError, httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
            raise _Passing(f"{type(error).__name__}: {error}") from error
        if answer.status >= _SERVER_ERRORS and not answer.retry_after:
            raise _Passing(f"HTTP {answer.status}")
        return answer


def judge(answer: Answer) -> None:
    """Nothing where the target has taken the message. Raises Slow, Unreachable, Refused."""
    said = " ".join(answer.text[:200].split())
    text = f"HTTP {answer.status}" + (f": {said}" if said else "")
    if 200 <= answer.status < 300:
        return
    if answer.status == _TOO_MANY or (answer.status >= _SERVER_ERRORS and answer.retry_after):
        unsaid = _DEFAULT_WAIT + random.random()
        raise Slow(text, waiting_time(answer.retry_after, time.time(), _LONGEST_WAIT, unsaid))
    if answer.status in _NOT_US or answer.status < 400:
        raise Unreachable(f"{text}. Is the address right, and the secret?")
    if answer.status == _TIMED_OUT or answer.status >= _SERVER_ERRORS:
        raise Unreachable(text)
    raise Refused(text)


def _told(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    log.info("not delivered, trying once more", reason=str(reason))
