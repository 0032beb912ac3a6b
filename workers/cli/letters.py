"""Dead letters as values: what one says about itself, which ones are meant, which ones went back already.

A replay leaves a *mark* in the dead-letter topic, in the transaction that sends the letters back: a record with the
header `faultline-replayed` and a JSON value that names ranges of offsets of its own partition. A mark always lies
behind the letters it names, so retention never removes it before them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson
from confluent_kafka import Message

MARK = "faultline-replayed"

_PREFIX = "faultline-"
_OWN = ("source-topic", "source-partition", "source-offset", "stage", "error-class", "error-message", "truncated")


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `headers` are those of the original record; `time` is when it died, epoch milliseconds.

    `cut_from` is the size of the original value where no topic could take it whole: such a letter cannot go back.
    """

    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    source_topic: str
    source_partition: int
    source_offset: int
    stage: str
    error_class: str
    message: str
    cut_from: int | None = None

    @property
    def place(self) -> str:
        """How the commands name it: `partition:offset` in the dead-letter topic."""
        return f"{self.partition}:{self.offset}"

    @property
    def size(self) -> int:
        return len(self.value or b"") + len(self.key or b"")


def headers(message: Message) -> list[tuple[str, bytes | None]]:
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])


def parse(message: Message) -> Letter | None:
    """The letter in a record of the dead-letter topic; None for a mark or anything else that is no letter."""
    pairs = headers(message)
    # A record that died twice carries ours twice (a replay strips them, other tools may not): the last ones count.
    own = {name: value or b"" for name, value in pairs if name.removeprefix(_PREFIX) in _OWN}
    topic = own.get("faultline-source-topic")
    if topic is None:
        return None

    def text(name: str) -> str:
        return own.get(_PREFIX + name, b"").decode(errors="replace")

    return Letter(
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        time=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=tuple((name, value) for name, value in pairs if name.removeprefix(_PREFIX) not in _OWN),
        source_topic=topic.decode(errors="replace"),
        source_partition=_number(text("source-partition")),
        source_offset=_number(text("source-offset")),
        stage=text("stage"),
        error_class=text("error-class"),
        message=text("error-message"),
        cut_from=_number(text("truncated")) if "faultline-truncated" in own else None,
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() else -1


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; empty fields mean any. `since` in epoch milliseconds."""

    stage: str = ""
    error_class: str = ""
    source_topic: str = ""
    since: int = 0

    @property
    def everything(self) -> bool:
        return self == Selection()

    def takes(self, letter: Letter) -> bool:
        return (
            self.stage in ("", letter.stage)
            and self.error_class in ("", letter.error_class)
            and self.source_topic in ("", letter.source_topic)
            and letter.time >= self.since
        )


@dataclass(slots=True)
class Marks:
    """Offsets that were replayed, by partition, as ranges: a storm of a million letters is one range."""

    _ranges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, partition: int, ranges: Iterable[Sequence[int]]) -> None:
        """Take in ranges [first, last] of one mark."""
        merged = sorted([*self._ranges.get(partition, ()), *((int(r[0]), int(r[1])) for r in ranges)])
        self._ranges[partition] = _merge(merged)

    def take(self, message: Message) -> bool:
        """Take in a record of the topic if it is a mark; whether it was one."""
        if MARK not in dict(headers(message)):
            return False
        self.add(int(message.partition() or 0), orjson.loads(message.value() or b"{}").get("offsets", []))
        return True

    def __contains__(self, letter: Letter) -> bool:
        ranges = self._ranges.get(letter.partition, [])
        place = bisect_right(ranges, (letter.offset, 1 << 62)) - 1
        return place >= 0 and letter.offset <= ranges[place][1]


def mark_value(letters: Iterable[Letter]) -> bytes:
    """The value of the mark for letters of one partition."""
    ranges = _merge(sorted((letter.offset, letter.offset) for letter in letters))
    return orjson.dumps({"offsets": ranges})


def _merge(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted ranges with neighbours and overlaps made one."""
    merged: list[tuple[int, int]] = []
    for first, last in ranges:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def batches(letters: Iterable[Letter], records: int, size: int) -> Iterator[list[Letter]]:
    """Letters in pieces of at most so many records and, but for a single larger one, so many bytes."""
    batch: list[Letter] = []
    held = 0
    for letter in letters:
        if batch and (len(batch) >= records or held + letter.size > size):
            yield batch
            batch, held = [], 0
        batch.append(letter)
        held += letter.size
    if batch:
        yield batch
