"""The one moment that a person writes in the runtime's settings: where to begin."""

from __future__ import annotations

from datetime import UTC, datetime


def epoch_milliseconds(text: str) -> int:
    """An RFC 3339 time as epoch milliseconds; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
