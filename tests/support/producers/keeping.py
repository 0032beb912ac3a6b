"""Keeping what producers wrote to a topic as golden records."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.support.broker import Broker
from tests.support.producers.golden import write_golden, write_sent


def write_records(
    name: str,
    suffix: str,
    broker: Broker,
    topic: str,
    sent: Mapping[str, int] | None = None,
    only: Callable[[bytes], bool] = lambda _: True,
) -> None:
    """The records of a topic, and what the producer said that it sent."""
    records = [record.value for record in broker.read(topic) if record.value is not None and only(record.value)]
    write_golden(name, suffix, records)
    if sent is not None:
        write_sent(name, sent)


def first_two(series: Callable[[bytes], object]) -> Callable[[bytes], bool]:
    """Of each series the first two records."""
    seen: dict[object, int] = {}

    def wanted(value: bytes) -> bool:
        of = series(value)
        seen[of] = seen.get(of, 0) + 1
        return seen[of] <= 2

    return wanted
