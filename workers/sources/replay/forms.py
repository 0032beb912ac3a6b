"""Which form a file has, by its name."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from workers.sources.replay.tables import UnusableFile


class Form(Enum):
    """Each with the endings that mean it."""

    parquet = (".parquet", ".pq")
    csv = (".csv", ".csv.gz")
    lines = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


SUFFIXES = tuple(suffix for form in Form for suffix in form.value)


def form_of(path: Path) -> Form:
    """Raises `UnusableFile`."""
    name = path.name.lower()
    for form in Form:
        if name.endswith(form.value):
            return form
    raise UnusableFile(f"neither Parquet, CSV nor NDJSON (known endings: {' '.join(SUFFIXES)})")
