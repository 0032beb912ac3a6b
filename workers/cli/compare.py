"""The run and the words of `faultline models compare`; the command itself is beside the others of `models`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from models.registry import Entry
from schemas.times import format_time
from workers.cli.backtesting import rows_of
from workers.cli.compared import Comparison, Episode, Side, save, table_of
from workers.cli.comparing import SIDES, compare, labelled
from workers.cli.judged_data import read_data
from workers.cli.learning_data import counted, open_tape
from workers.cli.out_files import prepare, writing
from workers.cli.output import print_json, print_table
from workers.cli.voice import Voice
from workers.runtime.logs import configure
from workers.settings import Settings

_SHOWN = 12
"""Characters of a version in a heading."""


def run(
    first: Entry, second: Entry, data: list[Path], settings: Settings, voice: Voice, most: int, out: Path | None
) -> None:
    """Compare two versions on data, save what they say and tell what differs. Raises `Failure` and `BundleError`."""
    if out is not None:
        prepare(out)
    configure("warning", settings.log.format)
    tape = open_tape(data, voice)
    with counted(tape, voice, "scoring") as blocks:
        lines = labelled(compare(blocks, rows_of(data), first, second, settings), read_data(data))
    if out is not None:
        with writing(out):
            save(lines, out)
    comparison, versions = Comparison.of(lines), dict(zip(SIDES, (first, second), strict=True))
    if voice.json:
        print_json(_document(comparison, versions))
    else:
        _print(comparison, versions, most)


def _document(comparison: Comparison, versions: Mapping[str, Entry]) -> dict[str, object]:
    agreement = comparison.agreement
    return {
        "rows": comparison.rows,
        **{side: _side(versions[side], comparison.sides[side]) for side in SIDES},
        "agreement": {**asdict(agreement), "same": _plain(agreement.same), "shared": _plain(agreement.shared)},
        "differing": [one.document() for one in comparison.differing],
    }


def _side(entry: Entry, side: Side) -> dict[str, object]:
    figures = {**asdict(side), "judged": {name: _plain(value) for name, value in side.judged.items()}}
    figures["alarms_per_day"] = _plain(side.alarms_per_day)
    return {
        "profile": entry.profile,
        "scope": entry.scope,
        "version": entry.version,
        "alias": entry.alias,
        **figures,
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _print(comparison: Comparison, versions: Mapping[str, Entry], most: int) -> None:
    print_table(("", *(_heading(side, versions[side]) for side in SIDES)), table_of(comparison))
    agreement = comparison.agreement
    verdicts = f"\nthe same verdict on {agreement.same:.2%} of the rows"
    flagged = agreement.both + agreement.first_only + agreement.second_only
    print(verdicts + (f"; of {flagged:,} rows that either flags, both flag {agreement.shared:.1%}" if flagged else ""))
    total = len(comparison.differing)
    if not total:
        print("no alarm is of one alone")
        return
    highest = sorted(comparison.differing, key=lambda one: -one.peak)[:most]
    chosen = sorted(highest, key=lambda one: (one.entity, one.start))
    left = f", the {most:,} highest; --json has all" if total > most else ""
    print_table(
        ("entity", "from", "to", "only", "peak", "the other's", "event", "reason"),
        [_row(one) for one in chosen],
        title=f"\nalarms of one alone: {total:,}{left}",
    )


def _heading(side: str, entry: Entry) -> str:
    return " ".join(part for part in (side, entry.alias, entry.scope, entry.version[:_SHOWN]) if part)


def _row(one: Episode) -> tuple[object, ...]:
    event = "" if one.event is None else "yes" if one.event else "no"
    times = (format_time(time)[:16] + "Z" for time in (one.start, one.end))
    return one.entity, *times, one.side, f"{one.peak:.2f}", f"{one.other_peak:.2f}", event, one.reason
