"""The records of a chunk as events: each is read by its format, or by the next that claims it where looks misled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.faults import INVALID
from workers.intake.envelopes import structured
from workers.intake.formats.wire import CountingFormat, Format, MistakableFormat
from workers.intake.sorting import Sorter
from workers.runtime.records import Headers

Why = tuple[str, str]
"""Error class and message."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a format read. `place` (n,) is the place of each event's record, ascending; `sizes` are those of the records
    that `events.record` numbers, in bytes.
    """

    wire: Format
    events: Events
    place: NDArray[np.intp]
    sizes: list[int]


@dataclass(frozen=True, slots=True)
class Reading:
    """A record has events in one part, or is in `faults`, or `unknown` (no format claims it), or holds nothing to take.

    `counts`: records by `format_<name>`, and what formats count beside.
    """

    parts: list[Part] = field(default_factory=list)
    faults: dict[int, Why] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def read(
    sorter: Sorter,
    topic: str,
    values: Sequence[bytes],
    arrived: NDArray[np.int64],
    headers: Sequence[Headers | None] = (),
) -> Reading:
    """`arrived` (n,): Kafka timestamps, epoch microseconds. `headers` (n,), or none at all.

    Looks mislead: a business document may have an `entity`, or `tags` and `fields`. So what a mistakable format, chosen
    by looks, finds invalid is offered to those behind it that claim it too. Where none does, the first fault counts.
    """
    sorted_out, unknown = sorter.sort(topic, values)
    if any(headers):
        values = list(values)
        _lend_envelopes(sorter, topic, sorted_out, values, headers)
    found = Reading(unknown=unknown)
    refused: dict[int, Format] = {}
    for wire, places in sorted_out.items():
        found.counts[f"format_{wire.name}"] += len(places)
        faults = _decode(found, wire, values, places, arrived)
        found.faults.update(faults)
        if isinstance(wire, MistakableFormat):
            refused |= {place: wire for place, why in faults.items() if why[0] == INVALID}
    if refused and not sorter.is_set(topic):
        _offer(found, sorter, values, arrived, refused)
    return found


def _lend_envelopes(
    sorter: Sorter,
    topic: str,
    sorted_out: dict[Format, list[int]],
    values: list[bytes],
    headers: Sequence[Headers | None],
) -> None:
    """Plain JSON whose headers are a CloudEvent's becomes that event. Data of another format need no envelope."""
    plain, clouds = sorter.by_name["fields"], sorter.by_name["cloudevents"]
    wire = clouds if sorter.is_set(topic) else plain
    moved = []
    for place in sorted_out.get(wire, ()):
        event = structured(headers[place], values[place])
        if event is not None:
            values[place] = event
            moved.append(place)
    if moved and wire is plain:
        sorted_out[clouds] = sorted([*sorted_out.get(clouds, ()), *moved])
        sorted_out[plain] = sorted(set(sorted_out[plain]) - set(moved))
        if not sorted_out[plain]:
            del sorted_out[plain]


def _offer(
    found: Reading, sorter: Sorter, values: Sequence[bytes], arrived: NDArray[np.int64], refused: dict[int, Format]
) -> None:
    first, last = refused, refused
    while last:
        groups: dict[Format, list[int]] = {}
        for place, wire in last.items():
            following = sorter.following(wire, values[place])
            if following is not None:
                groups.setdefault(following, []).append(place)
        last = {}
        for wire, places in groups.items():
            before = len(found.parts)
            faults = _decode(found, wire, values, sorted(places), arrived)
            taken = {place for part in found.parts[before:] for place in part.place.tolist()}
            for place in taken:
                del found.faults[place]
                found.counts[f"format_{first[place].name}"] -= 1
            found.counts[f"format_{wire.name}"] += len(taken)
            last |= dict.fromkeys(faults, wire)


def _decode(
    found: Reading, wire: Format, values: Sequence[bytes], places: list[int], arrived: NDArray[np.int64]
) -> dict[int, Why]:
    """Adds what the format reads at `places` to `found`; faults by place."""
    chosen = [values[place] for place in places]
    if isinstance(wire, CountingFormat):
        events, faults, tally = wire.decode_counted(chosen, arrived[places])
        found.counts.update(tally)
    else:
        events, faults = wire.decode(chosen, arrived[places])
    if len(events):
        sizes = [len(value) for value in chosen]
        found.parts.append(Part(wire, events, np.array(places, np.intp)[events.record], sizes))
    return {places[fault.record]: (fault.error_class, fault.message) for fault in faults}
