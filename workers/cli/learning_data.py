"""DATA of `train`, `backtest`, `score`, `replay` …: files as events in time order; what cannot be used is said once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.columns import Events
from workers.cli.failures import WrongUse
from workers.cli.voice import Voice
from workers.sources.replay.files import Reading
from workers.sources.replay.forms import SUFFIXES
from workers.sources.replay.lines import Oddities
from workers.sources.replay.play import Tape, load_tape, playing


def open_tape(paths: list[Path], voice: Voice, split: str = "", time_unit: str = "ms", kind: str = "metric") -> Tape:
    """Survey the files; `kind` is what rows of tables become. Raises `WrongUse` where none can be used."""
    check_there(paths)
    tape = load_tape(paths, Reading(kind, time_unit, split))
    if not tape.files:
        raise nothing_usable(tape.skipped)
    for path, reason in tape.skipped.items():
        voice.say(f"skipped {path}: {reason}")
    tell_bad_lines(tape.oddities, voice)
    if tape.oddities.left_out:
        names = ", ".join(sorted(tape.oddities.left_out))
        voice.say(f"columns that are not numbers are no metrics (numbers written as text neither): {names}")
    return tape


def check_there(paths: Sequence[Path]) -> None:
    """Raises `WrongUse` for the first path that does not exist."""
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise WrongUse(f"{missing}: no such file or folder")


def nothing_usable(skipped: Mapping[Path, str]) -> WrongUse:
    """What is expected of DATA, and why the first few files are not that."""
    reasons = "".join(f"\n{path}: {reason}" for path, reason in list(skipped.items())[:3])
    more = f"\nand {len(skipped) - 3:,} more" if len(skipped) > 3 else ""
    return WrongUse(
        "no file of DATA can be used: expected events, or tables with the columns timestamp, entity and metrics, as "
        f"Parquet, CSV or NDJSON ({' '.join(SUFFIXES)}){reasons}{more}"
    )


def tell_bad_lines(oddities: Oddities, voice: Voice) -> None:
    if oddities.bad_lines:
        voice.say(f"left out {oddities.bad_lines:,} lines, the first: {oddities.first}")


@contextmanager
def counted(tape: Tape, voice: Voice, label: str) -> Iterator[Iterator[Events]]:
    """The tape's events, with progress shown as they are taken."""
    with playing(tape) as blocks, voice.counter(label, tape.rows) as counter:

        def told() -> Iterator[Events]:
            for block in blocks:
                yield block
                counter.add(len(block))

        yield told()
