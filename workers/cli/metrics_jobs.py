"""What `faultline source victoriametrics` does: check, list, save tables, send into Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import typer

from schemas.events import encode_events
from schemas.times import format_time
from workers.cli.checks import Finding
from workers.cli.clients import kafka_options
from workers.cli.failures import Failure, WrongUse
from workers.cli.metrics_checks import check_metrics
from workers.cli.metrics_server import metrics_client, wanted
from workers.cli.output import print_json, print_table
from workers.cli.reading import parse_since
from workers.cli.sending import closing_margin
from workers.cli.voice import Voice
from workers.runtime.clock import SystemClock
from workers.settings import Settings
from workers.sources.exactly_once import ExactlyOnce, Place
from workers.sources.publish import PublishError
from workers.sources.stopping import Interrupted, Stop, stop_on_signals
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.collect import Collector, Wanted
from workers.sources.victoriametrics.polling import Poll, polled
from workers.sources.victoriametrics.quality import Quality
from workers.sources.victoriametrics.slices import MICROS, Slice, aligned
from workers.sources.victoriametrics.tables import Tables
from workers.topics import state_topic

_DAY = 86_400
_TABLE_ROWS = 250_000
SOURCE = "victoriametrics"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command's options ask for. `source_id`: under which name the position is kept."""

    services: list[str]
    since: str
    until: str
    step: int
    save_data: Path | None
    live: bool
    source_id: str
    restart: bool
    end: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """From when to when, on the grid; epoch seconds, both included."""

    start: int
    end: int
    step: int

    @property
    def steps(self) -> int:
        return (self.end - self.start) // self.step + 1


def list_services(settings: Settings, wish: Wish, voice: Voice) -> None:
    """Which services have which metrics now."""
    asked = wanted(settings, wish.services, wish.step)
    with metrics_client(settings.victoriametrics) as client:
        _list(client, Collector(client, asked), asked, settings, voice)


def fetch(settings: Settings, wish: Wish, voice: Voice) -> None:
    """Metrics into tables or into Kafka."""
    asked = wanted(settings, wish.services, wish.step)
    with stop_on_signals() as stop, metrics_client(settings.victoriametrics, stop) as client:
        span = _span(settings, client, asked, wish)
        if wish.save_data is not None:
            _save(wish.save_data, Collector(client, asked, _TABLE_ROWS), asked, span, voice, stop)
        else:
            _Sending(settings, client, Collector(client, asked), asked, span, voice, wish, stop).run()


def _span(settings: Settings, client: Client, asked: Wanted, wish: Wish) -> _Span:
    own, since, until = settings.victoriametrics, wish.since, wish.until
    client.version()  # the first answer also tells the server's clock
    newest = aligned(client.now() - own.delay_s, asked.step)
    end = min(aligned(parse_since(until, "--until") / 1000, asked.step), newest) if until else newest
    if since:
        start = aligned(parse_since(since) / 1000, asked.step)
    else:
        start = end if wish.live else aligned(end - own.lookback_days * _DAY, asked.step)
    if start > end:
        raise WrongUse(f"--since {since} is not before --until {until or 'now'}")
    return _Span(start, end, asked.step)


def check(settings: Settings, voice: Voice) -> None:
    """Whether the server answers, and each query."""
    findings: list[Finding] = list(check_metrics(settings))
    failed = any(finding.state == "failed" for finding in findings)
    if voice.json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(("check", "state", "found", "what to do"), [(f.check, f.state, f.found, f.fix) for f in findings])
    if failed:
        raise typer.Exit(1)


def _list(client: Client, collector: Collector, asked: Wanted, settings: Settings, voice: Voice) -> None:
    found = collector.latest(client.now() - settings.victoriametrics.delay_s)
    rows = [(name, asked.file.category(name), sorted(found[name])) for name in sorted(found)]
    if voice.json:
        print_json([{"service": name, "category": category, "metrics": metrics} for name, category, metrics in rows])
    else:
        print_table(("service", "category", "metrics"), [(n, c, ", ".join(metrics)) for n, c, metrics in rows])
    _tell(collector, voice)
    if not found:
        raise Failure("no service has any of the metrics now. `faultline source victoriametrics --check` tells more")


def _tell(collector: Collector, voice: Voice) -> None:
    for line in collector.oddities.lines():
        voice.say(line)


def _save(out: Path, collector: Collector, asked: Wanted, span: _Span, voice: Voice, stop: Stop) -> None:
    """Tables, and beside them what is wrong with them (`….quality.json`)."""
    quality, rows = Quality(asked.step), 0
    with Tables(out, asked.file.metrics) as tables:
        for part in _counted(collector.slices(span.start, span.end), span, voice, stop):
            quality.add(part)
            rows += tables.write(part)
        if not rows:
            raise Failure("no service has any of the metrics. `faultline source victoriametrics --check` tells more")
    report = quality.report(asked.file.metrics, {name: asked.file.category(name) for name in quality.services})
    place = out.with_name(f"{out.stem}.quality.json") if tables.files == [out] else out / "quality.json"
    place.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    for name in quality.services:
        for line in quality.words(name):
            voice.say(f"{name}: {line}")
    _tell(collector, voice)
    nothing = sorted(set(asked.services) - set(quality.services))
    unusable = [*nothing, *(name for name in quality.services if not quality.usable(name))]
    if unusable:
        voice.say(f"not enough to learn from: {', '.join(unusable)}")
    files = [str(path) for path in tables.files]
    words = f"{rows:,} rows of {len(quality.services):,} services saved in {out}; what is wrong with them: {place}"
    voice.report(words, {"rows": rows, "files": files, "quality": str(place), "unusable": unusable, **report})


def _counted(slices: Iterator[Slice], span: _Span, voice: Voice, stop: Stop) -> Iterator[Slice]:
    try:
        with voice.counter("reading", span.steps, "steps") as counter:
            for part in slices:
                if stop():
                    raise Interrupted
                yield part
                counter.add(len(part.time), format_time(part.end * MICROS)[:16])
    except Interrupted:
        raise Failure("stopped early: nothing was saved") from None


@dataclass(slots=True)
class _Sending:
    """Slices into Kafka, each in one transaction with the position behind it."""

    settings: Settings
    client: Client
    collector: Collector
    asked: Wanted
    span: _Span
    voice: Voice
    wish: Wish
    stop: Stop

    def run(self) -> None:
        wish = self.wish
        topics = self.settings.topics
        place = Place(topics.events, state_topic(self.settings, "source"), self.wish.source_id, self.settings.prefix)
        try:
            with ExactlyOnce(kafka_options(self.settings), place, encode_events) as source:
                if wish.restart:
                    source.forget()
                began, events = time.monotonic(), source.position.events
                finished = self._send(source, self._behind(source))
                margin = closing_margin(self.settings, "metric", self.asked.step * MICROS)
                left_open = source.end(margin) if wish.end and finished else []
                sent, position = source.position.events - events, source.at
        except PublishError as error:
            raise Failure(str(error)) from error
        if left_open:
            self.voice.say(f"others write to {topics.events} too: partitions {left_open} could not be closed")
        _tell(self.collector, self.voice)
        if not finished and not wish.live:
            raise Failure(f"stopped early: {sent:,} events were sent; started again, it goes on behind them")
        until = format_time(position["until"] * MICROS) if position else None
        document: dict[str, object] = {
            "topic": topics.events,
            "id": self.wish.source_id,
            "events": sent,
            "position": until,
            "seconds": round(time.monotonic() - began, 3),
            "left_open": left_open,
        }
        self.voice.report(f"{sent:,} events sent to {topics.events}, up to {until or 'nothing'}", document)

    def _behind(self, source: ExactlyOnce) -> int:
        """The last step that was taken already (epoch seconds)."""
        if source.at is None:
            return self.span.start - self.span.step
        try:
            taken = aligned(int(source.at["until"]), self.span.step)
        except (KeyError, TypeError, ValueError) as error:
            raise WrongUse(
                f"the position of {self.wish.source_id} is another kind of source's: give another --id"
            ) from error
        self.voice.say(f"going on behind {format_time(taken * MICROS)}, the position of {self.wish.source_id}")
        return taken

    def _send(self, source: ExactlyOnce, position: int) -> bool:
        """Whether everything was sent, that is: nobody asked to stop."""
        step, delay, live = self.span.step, self.settings.victoriametrics.delay_s, self.wish.live
        if live:
            slices = polled(self.client, self.collector, Poll(step, delay), position, SystemClock(), self.stop)
        else:
            slices = self.collector.slices(position + step, self.span.end)
        total = None if live else max(0, (self.span.end - position) // step)
        with self.voice.counter("sending", total, "steps") as counter, suppress(Interrupted):
            for part in slices:
                source.publish(part.events(SOURCE), {"until": part.end, "step": step})
                counter.add(len(part.time), format_time(part.end * MICROS)[:16])
                if self.stop():
                    return False
            return True
        return False
