"""librdkafka's own log lines, into ours."""

from __future__ import annotations

import logging

import structlog


class _Bridge(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # At the client's levels: what it calls an error is often a broker that restarts, so it warns at most.
        level = min(record.levelno, logging.WARNING)
        structlog.get_logger("librdkafka").log(level, "librdkafka", line=record.getMessage())


def client_logger() -> logging.Logger:
    """Hand this to a client as `logger`."""
    logger = logging.getLogger("librdkafka")
    if not logger.handlers:
        logger.addHandler(_Bridge())
        logger.propagate = False
    return logger
