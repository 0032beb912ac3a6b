"""What the archive worker is made of: its topics, its room in memory, and words for when its library is missing."""

from __future__ import annotations

from workers.cli.extras import need
from workers.settings import Settings

_LOOK_MS = 1_000
"""How often what is gathered is looked at: files are due after seconds or minutes."""

_POLL = 5_000
"""Records of one poll: rows are many times larger in memory than on the topic."""


def needs_archive(command: str) -> None:
    """Raises `Failure` where what writes Parquet is not installed."""
    need(f"faultline {command}", "archive", "pyarrow")


def topics_of(settings: Settings) -> dict[str, str]:
    """What is archived: by topic the kind of its records."""
    topics = {
        "vectors": settings.topics.features,
        "scores": settings.topics.scores,
        "events": settings.topics.events,
    }
    return {topics[kind]: kind for kind in settings.archive.kinds}


def room_for(settings: Settings) -> Settings:
    """With an open transaction that may hold what is gathered for the next files, and some more."""
    room = {
        "max_transaction_bytes": 2 * settings.archive.buffer_bytes,
        "commit_interval_ms": max(settings.worker.commit_interval_ms, _LOOK_MS),
        "poll_records": min(settings.worker.poll_records, _POLL),
    }
    return settings.model_copy(update={"worker": settings.worker.model_copy(update=room)})
