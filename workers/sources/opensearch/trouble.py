"""What an error of the client means: whether asking again may help, how long to wait first, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensearchpy import ConnectionError, ConnectionTimeout, SSLError, TransportError
from tenacity import RetryCallState
from tenacity.wait import wait_exponential, wait_random
from urllib3.exceptions import NewConnectionError

from workers.sources.opensearch.connection import BusyError

_WAIT = wait_exponential(multiplier=0.2, max=15.0) + wait_random(0.0, 0.3)
_LARGE = ("circuit_breaking_exception", "data_too_large", "too_large")


def is_passing(error: BaseException) -> bool:
    """Whether asking again may help; what was too large will not be smaller then."""
    if isinstance(error, (SSLError, ConnectionTimeout)):
        return False
    if isinstance(error, BusyError):
        return not is_too_large(error)
    return isinstance(error, ConnectionError)


def is_nobody_there(error: BaseException | None) -> bool:
    """Whether no connection could be made at all: refused, no such name, no way there."""
    if not isinstance(error, ConnectionError):
        return False
    args: Sequence[Any] = error.args
    return len(args) > 2 and isinstance(args[2], NewConnectionError)


def error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def patient(state: RetryCallState) -> float:
    """As long as the server asks for, or longer each time."""
    error = error_of(state)
    asked = error.retry_after if isinstance(error, BusyError) else 0.0
    return max(asked, _WAIT(state))


def is_too_large(error: TransportError) -> bool:
    """Whether the server has too little memory for what it was asked."""
    return any(sign in said(error) for sign in _LARGE)


def said(error: TransportError) -> str:
    """Status, kind and reason of an error; never the request."""
    args: Sequence[Any] = error.args
    info = args[2] if len(args) > 2 else None
    reason = ""
    if isinstance(info, dict) and isinstance(info.get("error"), dict):
        causes = info["error"].get("root_cause") or [info["error"]]
        reason = str(causes[0].get("reason", ""))
    kind = str(args[1]) if len(args) > 1 else ""
    status = f"{args[0]} " if args and isinstance(args[0], int) else ""
    return f"{status}{kind}{': ' + reason if reason and reason not in kind else ''}"[:500]
