"""Messages to mine: of canonical events in files and topics, and of plain text with one message a line."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.events import decode_events
from workers.cli.clients import connect
from workers.cli.cluster import ends
from workers.cli.reading import offsets_at, to_end
from workers.settings import Settings

MESSAGE = "message"

_BLOCK = 100_000


def is_text(path: Path) -> bool:
    """Whether the name is that of a file of plain text."""
    return path.is_file() and path.name.lower().endswith((".log", ".txt", ".log.gz", ".txt.gz"))


def line_blocks(path: Path) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
    """Distinct lines of the file, in order of their first, and how often each is there; block by block."""
    with _text(path) as file:
        while lines := list(islice(file, _BLOCK)):
            found = Counter(line.rstrip("\n") for line in lines)
            yield list(found), np.array(list(found.values()), np.int64)


def messages_of(events: Events) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct messages in the order in which they were said first, and by how many events."""
    names, values = events.attr_name, events.attr_value
    if MESSAGE not in names.values:
        return [], np.empty(0, np.int64)
    ours = (names.codes == names.values.index(MESSAGE)) & (values.codes >= 0)
    codes, first, often = np.unique(values.codes[ours], return_index=True, return_counts=True)
    order = np.argsort(first)
    return [values.values[code] for code in codes[order].tolist()], often[order].astype(np.int64)


def topic_blocks(settings: Settings, topic: str) -> Iterator[Events]:
    """The events of a topic, up to its end as it is now; what cannot be read is left out, the worker tells of it."""
    admin = connect(settings)
    starts = offsets_at(admin, topic, 0)
    held: list[bytes | None] = []
    for message in to_end(settings, starts, ends(admin, list(starts))):
        held.append(message.value())
        if len(held) == _BLOCK:
            yield decode_events(held)[0]
            held = []
    if held:
        yield decode_events(held)[0]


def _text(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return TextIOWrapper(gzip.open(path), encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")
