"""Where the golden records are, and how they are read and written: one file a record, named in the order sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "workers" / "intake" / "golden"


def golden(name: str) -> list[bytes]:
    """The records of one capture (`collectd/values`), in the order in which they were sent."""
    paths = sorted((GOLDEN / name).iterdir())
    if not paths:
        raise FileNotFoundError(f"no golden records in {GOLDEN / name}: python -m tests.support.producers.capture")
    return [path.read_bytes() for path in paths]


def write_golden(name: str, suffix: str, records: Iterable[bytes]) -> None:
    """Put these records in place of those there were."""
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, record in enumerate(records, 1):
        (folder / f"{number:03d}.{suffix}").write_bytes(record)
