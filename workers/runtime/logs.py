"""Structured logs: JSON lines in production, coloured ones on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from workers.addresses import without_secrets

# Without the values of local variables: settings, and so secrets, are among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
)


def _hidden(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """No line shows what is secret in a URL, whoever wrote it and whatever library it comes from."""
    return {name: _without_secrets(value) for name, value in event.items()}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def configure(level: str, form: str, **bound: object) -> None:
    """Send logs to standard error. `form`: json, console, or auto (console on a terminal); `bound` is in every line."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.set_exc_info if console else _TRACEBACKS,
            _hidden,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Looked up at every line, and no logger kept: standard error is replaced under a process that lives on (a
        # capturing test, an embedding program), and what it was before is closed.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(**bound)
