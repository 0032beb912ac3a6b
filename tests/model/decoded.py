"""Commit metadata as the judges of a schedule look at them: the same few strings, again and again."""

from __future__ import annotations

from functools import lru_cache

from workers.runtime.metadata import CommitMetadata


@lru_cache(maxsize=256)
def decoded(metadata: str | None) -> CommitMetadata | None:
    return CommitMetadata.decode(metadata)
