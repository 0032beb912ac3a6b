"""The control topic for commands: one record written and acknowledged, or the latest of every key read."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer

from schemas.records import encode
from workers.cli import cluster
from workers.cli.clients import connect, kafka_options
from workers.cli.failures import Failure
from workers.cli.reading import offsets_at, to_end
from workers.runtime.stage import Control
from workers.settings import Settings

_PATIENCE = 10.0


def author() -> str:
    """Who writes: the user of this process, by name or, where the system knows none, by number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def write_control(settings: Settings, key: bytes, record: Mapping[str, Any]) -> None:
    """Write a `Control` record and wait until the broker has it. Raises Failure."""
    options = {"enable.idempotence": True, "delivery.timeout.ms": int(_PATIENCE * 1000)}
    producer = Producer(kafka_options(settings, options))
    problems: list[str] = []
    producer.produce(
        settings.topics.control,
        encode("Control", [record])[0],
        key,
        partition=0,
        on_delivery=lambda error, _: problems.append(error.str()) if error is not None else None,
    )
    left = producer.flush(_PATIENCE)
    if left or problems:
        raise Failure(problems[0] if problems else "the broker does not answer")


def read_controls(settings: Settings) -> list[Control]:
    """The latest record of every key, in the order of the topic. Raises Failure."""
    admin = connect(settings)
    starts = offsets_at(admin, settings.topics.control, 0)
    latest: dict[bytes, Control] = {}
    for message in to_end(settings, starts, cluster.ends(admin, starts)):
        key = message.key() or b""
        latest[key] = Control(message.offset() or 0, key, message.value())
    return sorted(latest.values(), key=lambda control: control.offset)
