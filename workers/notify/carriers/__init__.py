"""The ways out: over HTTP, into a folder, onto a topic. Effects live here and in `workers.notify.delivery`."""

from __future__ import annotations

from typing import Protocol

from workers.notify.kinds.kind import Kind, Target
from workers.notify.kinds.kind import Message as Message
from workers.settings import Settings


class Carries(Protocol):
    def carry(self, message: Message) -> None:
        """Hand it over; back within seconds. Raises Unreachable, Slow, Refused."""
        ...

    def close(self) -> None: ...


def carrier_of(kind: Kind, target: Target, settings: Settings) -> Carries:
    """Each is imported only where it is needed: an HTTP client is an extra."""
    seconds = target.settings.timeout_ms / 1000
    if kind.carrier == "files":
        from workers.notify.carriers.files import FileCarrier

        return FileCarrier(target.settings.url)
    if kind.carrier == "kafka":
        from workers.notify.carriers.kafka import KafkaCarrier

        return KafkaCarrier(settings, target.settings.url, seconds)
    from workers.notify.carriers.http import HttpCarrier

    return HttpCarrier(seconds)
