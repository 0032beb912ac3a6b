"""The demo on this machine's own metrics: samples, scores and incidents as they come, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from rich.console import Console

from schemas.columns import Events
from schemas.events import encode_events
from workers.demo.house import house
from workers.demo.scene import WORKERS
from workers.demo.telling import tell_change
from workers.demo.watching import Watcher
from workers.runtime.clock import SystemClock
from workers.sources.host.agent import host_events
from workers.sources.host.sampler import machine_name
from workers.sources.publish import Publisher
from workers.sources.stopping import Stop

_LINE_EVERY = 10.0
"""Seconds between two lines about how things are."""
_KEPT = 100
"""Scores that are remembered."""
_SHOWN = ("cpu_ratio", "memory_used_ratio", "disk_busy_ratio")


class AttentiveClock(SystemClock):
    """Looks after things instead of sleeping: `look` is given the seconds it may take."""

    def __init__(self, look: Callable[[float], None]) -> None:
        self._look = look

    def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:
            self._look(left)


def show_host(console: Console, stop: Stop, interval: float) -> None:
    """Sample this machine until stopped. Nothing is trained: the fallback judges it by its own last samples.

    Raises `ChildDied`, `PublishError`.
    """
    console.print("starting a broker, a Redis and the workers, each a process of its own")
    with house(lambda _: {"FAULTLINE_WINDOWS__ENABLED": '["host"]', "FAULTLINE_REGISTRY__URL": ""}) as home:
        for worker in WORKERS:
            home.start_worker(worker)
        name = machine_name()
        console.print(f"watching {name}, a sample every {interval:g} s; Ctrl-C ends it")
        topic = home.settings.topics.events
        with (
            closing(Watcher(home.options, home.settings, _KEPT)) as watcher,
            Publisher(home.options, topic, encode_events) as publisher,
        ):

            def look(seconds: float) -> None:
                home.children.check()
                for change in watcher.poll(min(seconds, 0.2)):
                    tell_change(console, change)

            clock = AttentiveClock(look)
            told = clock.monotonic()
            for event in host_events(name, interval, clock, stop):
                publisher.send(event)
                if clock.monotonic() - told >= _LINE_EVERY:
                    told = clock.monotonic()
                    console.print(_how_things_are(publisher.delivery.sent, event, watcher), highlight=False)
    opened = len(watcher.incidents)
    console.print(f"stopped: {publisher.delivery.sent} samples, {watcher.vectors} vectors, {opened} incidents opened")


def _how_things_are(samples: int, event: Events, watcher: Watcher) -> str:
    """Samples, the newest score with what it says of itself, and the metrics that people know."""
    values = dict(zip([event.metric_name.values[c] for c in event.metric_name.codes], event.metric_value, strict=True))
    known = ", ".join(f"{name} {values[name]:.2f}" for name in _SHOWN if name in values)
    if not watcher.scores:
        return f"{samples} samples, no score yet; {known}"
    newest = watcher.scores[-1]
    note = f" ({newest.note})" if newest.note else ""
    return f"{samples} samples, newest score {newest.value:.2f}{note}; {known}"
