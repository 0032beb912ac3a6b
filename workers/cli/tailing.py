"""Following a topic of ours: where to begin, what to leave out, how to print what comes."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Message

from schemas.records import decode
from schemas.times import format_time
from workers.cli import cluster
from workers.cli.clients import connect
from workers.cli.letters import headers
from workers.cli.reading import follow, offsets_at, parse_since, to_end
from workers.progress import PROGRESS_HEADER
from workers.settings import Settings

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class Tail:
    """What to follow. `since`: empty (from now on), `all`, a span (10m) or a time. `stop`: end at the end as of now."""

    topic: str
    record: str
    since: str
    stop: bool
    limit: int | None


def tail(settings: Settings, what: Tail, wanted: Callable[[Record], bool]) -> Iterator[Record]:
    """Decoded records that are wanted, as they are committed; what cannot be decoded is told on standard error."""
    admin = connect(settings)
    starts = offsets_at(admin, what.topic, 0 if what.since == "all" else parse_since(what.since))
    ends = cluster.ends(admin, starts)
    if what.since == "":
        starts = ends
    batches = _bounded(settings, starts, ends) if what.stop else follow(settings, starts)
    records = (record for batch in batches for record in decoded(what.record, batch) if wanted(record))
    yield from itertools.islice(records, what.limit)


def _bounded(
    settings: Settings, starts: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]
) -> Iterator[list[Message]]:
    messages = to_end(settings, starts, ends)
    while batch := list(itertools.islice(messages, 1_000)):
        yield batch


def decoded(name: str, batch: list[Message]) -> Iterator[Record]:
    """The records of messages, those apart that tell of progress; of what is none, a line on standard error."""
    told = [m for m in batch if m.value() is not None and PROGRESS_HEADER not in dict(headers(m))]
    records, faults = decode(name, [message.value() for message in told])
    for fault in faults:
        where = told[fault.record]
        print(
            f"faultline: {where.topic()} {where.partition()}:{where.offset()} is no {name}: {fault.message}",
            file=sys.stderr,
        )
    yield from (record for record in records if record is not None)


def shown_time(micros: object) -> str:
    """To the second, for a table."""
    return "" if micros is None else format_time(int(str(micros)))[:19] + "Z"


SEVERITY_STYLES = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "bold white on red"}


def styled(severity: object, width: int = 8) -> str:
    """A severity in its colour, padded; for a terminal only as colourful as it can be."""
    text = f"{severity or '':<{width}}"
    style = SEVERITY_STYLES.get(str(severity))
    return f"[{style}]{text}[/]" if style else text
