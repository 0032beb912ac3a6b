"""DATA of `train` and `backtest`: files as events in time order, with what cannot be used said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.columns import Events
from workers.cli.failures import WrongUse
from workers.cli.voice import Voice
from workers.sources.replay.files import Reading
from workers.sources.replay.play import Tape, load_tape, playing


def open_tape(paths: list[Path], voice: Voice, split: str = "", time_unit: str = "ms") -> Tape:
    """Survey the files. Raises `WrongUse` where none can be used."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise WrongUse(f"{missing[0]}: no such file or folder")
    tape = load_tape(paths, Reading(time_unit=time_unit, split=split))
    for path, reason in tape.skipped.items():
        voice.say(f"skipped {path}: {reason}")
    if not tape.files:
        raise WrongUse("no file can be used: expected events, or tables with timestamp, entity and metrics")
    if tape.oddities.bad_lines:
        voice.say(f"left out {tape.oddities.bad_lines:,} lines, the first: {tape.oddities.first}")
    return tape


@contextmanager
def counted(tape: Tape, voice: Voice, label: str) -> Iterator[Iterator[Events]]:
    """The tape's events, with progress shown as they are taken."""
    with playing(tape) as blocks, voice.counter(label, tape.rows) as counter:

        def told() -> Iterator[Events]:
            for block in blocks:
                yield block
                counter.add(len(block))

        yield told()
