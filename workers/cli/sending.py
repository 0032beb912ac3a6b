"""What every source command does with its events: pace, send or save them, show how far it is, say what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from schemas.columns import Events
from schemas.events import encode_events
from schemas.times import format_times
from workers.cli.clients import kafka_options
from workers.cli.failures import Failure
from workers.cli.voice import Voice
from workers.runtime.clock import SystemClock
from workers.settings import Settings, load_settings
from workers.sources.pacing import paced, unpaced
from workers.sources.publish import Publisher, PublishError
from workers.sources.save import EventsFile
from workers.sources.stopping import Interrupted, Stop
from workers.windows.profiles import choose, load_profiles, shipped


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go. `end`: whether partitions are closed with a tick once everything is sent."""

    settings: Settings
    topic: str
    raw: bool
    end: bool

    @classmethod
    def of(cls, topic: str, raw: bool, end: bool) -> Target:
        settings = load_settings()
        default = settings.topics.raw[0] if raw else settings.topics.events
        return cls(settings, topic or default, raw, end and not raw)

    @property
    def encode(self) -> Callable[[Events], list[bytes]]:
        """Events as the topic takes them."""
        return partial(encode_events, form="json") if self.raw else encode_events

    def publisher(self, tolerant: bool) -> Publisher:
        return Publisher(kafka_options(self.settings), self.topic, self.encode, tolerant=tolerant)


def with_pace(blocks: Iterable[Events], speed: float | None, origin: int, stop: Stop) -> Iterator[Events]:
    """Blocks when they are due (`speed` seconds of event time a second, from `origin` on), or at once (None, 0)."""
    return paced(blocks, speed, SystemClock(), stop, origin) if speed else unpaced(blocks, stop)


def saved(blocks: Iterable[Events], path: Path | None) -> Iterator[Events]:
    """The same blocks, written to a file on their way."""
    if path is None:
        yield from blocks
        return
    with EventsFile(path) as file:
        for block in blocks:
            file.write(block)
            yield block


def deliver(
    target: Target, voice: Voice, blocks: Iterable[Events], total: int | None, margin: int, finite: bool
) -> dict[str, object]:
    """Send everything, close the partitions, and say what was sent.

    `margin` (microseconds) is how long after the last event the closing tick lies. A source that is not `finite`
    outlives refused records and ends well when stopped; a finite one fails then. Raises `Failure`.
    """
    open_partitions: list[int] = []
    interrupted, refused = False, 0
    try:
        with target.publisher(tolerant=not finite) as publisher, voice.counter("sending", total) as counter:
            try:
                for block in blocks:
                    publisher.send(block)
                    refused = _tell_refused(publisher, voice, refused)
                    counter.add(len(block), format_times(block.time[-1:])[0][:16] if len(block) else "")
            except Interrupted:
                interrupted = True
            publisher.flush()
            if target.end and not interrupted:
                open_partitions = publisher.end(margin)
            seconds = counter.seconds
    except PublishError as error:
        raise Failure(str(error)) from error
    sent = publisher.delivery.sent
    if interrupted and finite:
        raise Failure(f"stopped early: {sent:,} events were sent to {target.topic}, and their last windows stay open")
    if open_partitions:
        voice.say(f"others write to {target.topic} too: partitions {open_partitions} could not be closed with a tick")
    return {
        "topic": target.topic,
        "events": sent,
        "partitions": sorted(publisher.delivery.last_time),
        "seconds": round(seconds, 3),
        "left_open": open_partitions,
    }


def _tell_refused(publisher: Publisher, voice: Voice, known: int) -> int:
    """Say when records were refused since the last time; how many were in all."""
    delivery = publisher.delivery
    if delivery.failed > known:
        voice.console.print(f"{delivery.failed:,} records were refused, the first with: {delivery.first_error}")
    return delivery.failed


def drain(voice: Voice, blocks: Iterable[Events], total: int) -> dict[str, object]:
    """Take everything without sending it: for data that is only saved."""
    with voice.counter("making up", total) as counter:
        try:
            for block in blocks:
                counter.add(len(block), format_times(block.time[-1:])[0][:16] if len(block) else "")
        except Interrupted:
            raise Failure(f"stopped early, after {counter.done:,} events") from None
        return {"events": counter.done, "seconds": round(counter.seconds, 3)}


def closing_margin(settings: Settings, kind: str, cadence: int) -> int:
    """How long after the last event (microseconds) every pane and sample of that kind of event is over.

    Not longer than that: a tick far ahead would say that everything had been silent until then.
    """
    windows = settings.windows
    known = shipped() | load_profiles([Path(windows.profiles)] if windows.profiles else [])
    chosen = choose(known, windows.enabled, windows.log_templates)
    taking = [profile for profile in chosen if kind in profile.takes]
    longest = max((profile.pane or profile.cadence or cadence for profile in taking), default=0)
    return settings.windows.lateness_ms * 1000 + longest
