"""Files that commands write: what is wrong with their names and places is told before the work, not after it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workers.cli.failures import Failure, WrongUse


def check_ending(path: Path | None, endings: Sequence[str]) -> None:
    """Raises `WrongUse` unless the file's ending names one of these formats."""
    if path is not None and path.suffix not in endings:
        raise WrongUse(f"{path}: the ending decides the format, and must be one of {' '.join(endings)}")


def prepare(path: Path) -> None:
    """Make the folder of a file that is going to be written. Raises `Failure`."""
    if path.is_dir():
        raise WrongUse(f"{path} is a folder: give the name of a file")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise Failure(f"{path} cannot be written: it may only be read")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system says against writing a file, as a `Failure` with its name."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror or error}") from error
