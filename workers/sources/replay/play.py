"""A replay as a whole: which files can be used, how much they hold, and their events in time order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from schemas.columns import Events
from workers.sources.columns import shift
from workers.sources.replay.files import Reading, Survey, blocks_of, survey
from workers.sources.replay.forms import SUFFIXES
from workers.sources.replay.lines import Oddities
from workers.sources.replay.merge import Run, merge, sorted_runs
from workers.sources.replay.tables import UnusableFile


@dataclass(slots=True)
class Tape:
    """Files that can be replayed, surveyed. `skipped` says of each other file why not."""

    reading: Reading
    files: dict[Path, Survey] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)
    oddities: Oddities = field(default_factory=Oddities)

    @property
    def rows(self) -> int:
        return sum(found.rows for found in self.files.values())

    @property
    def first(self) -> int:
        """Epoch microseconds of the first event."""
        return min(found.first for found in self.files.values())

    @property
    def last(self) -> int:
        return max(found.last for found in self.files.values())

    @property
    def cadence(self) -> int:
        """The shortest usual time between two events of an entity, over the files (microseconds); 0 if unknown."""
        return min((found.cadence for found in self.files.values() if found.cadence), default=0)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files meant: those named, and in folders every file with a known ending, sorted by path."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(SUFFIXES))
            found += sorted(inside)
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def load_tape(paths: Sequence[Path], reading: Reading, told: Callable[[Path], None] = lambda _: None) -> Tape:
    """Survey all files; `told` is called with each one before it is read."""
    tape = Tape(reading)
    for path in find_files(paths):
        told(path)
        try:
            tape.files[path] = survey(path, reading, tape.oddities)
        except UnusableFile as error:
            tape.skipped[path] = str(error)
        except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors
            tape.skipped[path] = f"cannot be read: {' '.join(str(error).split())}"
    return tape


@contextmanager
def playing(tape: Tape, moved: int = 0) -> Iterator[Iterator[Events]]:
    """The tape's events in time order, moved by so many microseconds. Sorts on disk what is not in order."""
    with tempfile.TemporaryDirectory(prefix="faultline-replay-") as folder:
        runs: list[Run] = []
        for number, (path, found) in enumerate(tape.files.items()):
            opened = partial(blocks_of, path, tape.reading, Oddities())  # the survey has reported the odd lines
            runs += [opened] if found.ordered else sorted_runs(opened(), Path(folder), str(number))
        yield (shift(block, moved) for block in merge(runs))
