"""Structured logs: JSON lines in production, coloured ones on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog

# Without the values of local variables: settings, and so secrets, are among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
)


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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Looked up at every line, and no logger kept: standard error is replaced under a process that lives on (a
        # capturing test, an embedding program), and what it was before is closed.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(**bound)
