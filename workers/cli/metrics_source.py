"""`faultline source victoriametrics`: metrics of services out of VictoriaMetrics or Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer

from schemas.events import encode_events
from schemas.times import format_time
from workers.cli.checks import Finding
from workers.cli.clients import kafka_options
from workers.cli.failures import Failure, WrongUse
from workers.cli.metrics_checks import check_metrics
from workers.cli.metrics_server import metrics_client, wanted, with_options
from workers.cli.output import print_json, print_table
from workers.cli.reading import parse_since
from workers.cli.sending import Voice, closing_margin
from workers.runtime.clock import SystemClock
from workers.runtime.logs import configure
from workers.settings import Settings, load_settings
from workers.sources.exactly_once import ExactlyOnce, Place
from workers.sources.publish import PublishError
from workers.sources.stopping import Stop, stop_on_signals
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.collect import Collector, Wanted
from workers.sources.victoriametrics.polling import Poll, polled
from workers.sources.victoriametrics.quality import Quality
from workers.sources.victoriametrics.slices import MICROS, Slice, aligned
from workers.sources.victoriametrics.tables import Tables
from workers.topics import state_topic

_DAY = 86_400
SOURCE = "victoriametrics"


@dataclass(frozen=True, slots=True)
class _Span:
    """From when to when, on the grid; epoch seconds, both included."""

    start: int
    end: int
    step: int

    @property
    def steps(self) -> int:
        return (self.end - self.start) // self.step + 1


def victoriametrics(
    save_data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER", help="Write tables for `faultline train`: one .parquet, or one a service; no Kafka."
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Go on with every step as it comes, until stopped.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only see whether the server answers, and each query.")
    ] = False,
    list_services: Annotated[
        bool, typer.Option("--list", help="Only list the services that have values now, with their categories.")
    ] = False,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; several times, or with commas.")] = None,
    since: Annotated[
        str, typer.Option(help="From when on: 30d, 12h, or a time. Default: the look-back; with --live from now on.")
    ] = "",
    until: Annotated[str, typer.Option(help="To when: a span ago, or a time. Default: now.")] = "",
    step: Annotated[int, typer.Option(min=0, help="Seconds between two values; 0: as the settings say.")] = 0,
    queries: Annotated[str, typer.Option(help="YAML file of queries, or a set: otel, spanmetrics, http.")] = "",
    filter_: Annotated[str, typer.Option("--filter", help='Label matchers for {filter}, such as env="prod".')] = "",
    source_id: Annotated[str, typer.Option("--id", help="Under which name the position is kept.")] = SOURCE,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the position: what was sent comes again.")] = False,
    no_end: Annotated[bool, typer.Option("--no-end", help="Leave the last windows open: more will follow.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON on standard output.")] = False,
) -> None:
    """Take the metrics of services out of VictoriaMetrics or Prometheus: for training, or into Kafka exactly once.

    The server is FAULTLINE_VICTORIAMETRICS__URL (or VM_ENDPOINT). Events go to the canonical topic in one transaction
    with the position behind them: started again, it goes on there. docs/victoriametrics.md tells of queries.

    Example: faultline source victoriametrics --save-data training/ && faultline train training/
    """
    if live and (save_data is not None or until):
        raise WrongUse("--live sends to Kafka and has no end: leave out --save-data and --until")
    if save_data is not None and (restart or no_end):
        raise WrongUse("--restart and --no-end are for Kafka, and --save-data sends nothing there")
    settings, voice = with_options(load_settings(), queries, filter_), Voice.of(quiet, as_json)
    configure("warning" if quiet else "info", settings.log.format)
    if check:
        return _check(settings, voice)
    asked = wanted(settings, service or [], step)
    with metrics_client(settings.victoriametrics) as client:
        collector = Collector(client, asked)
        if list_services:
            return _list(client, collector, asked, settings, voice)
        span = _span(settings, client, asked, since, until, live)
        if save_data is not None:
            return _save(save_data, collector, asked, span, voice)
        job = _Sending(settings, client, collector, asked, span, voice, source_id)
        job.run(live, restart, end=not no_end and not live)
    return None


def _span(settings: Settings, client: Client, asked: Wanted, since: str, until: str, live: bool) -> _Span:
    own = settings.victoriametrics
    client.version()  # the first answer also tells the server's clock
    newest = aligned(client.now() - own.delay_s, asked.step)
    end = min(aligned(parse_since(until, "--until") / 1000, asked.step), newest) if until else newest
    if since:
        start = aligned(parse_since(since) / 1000, asked.step)
    else:
        start = end if live else aligned(end - own.lookback_days * _DAY, asked.step)
    if start > end:
        raise WrongUse(f"--since {since} is not before --until {until or 'now'}")
    return _Span(start, end, asked.step)


def _check(settings: Settings, voice: Voice) -> None:
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


def _save(out: Path, collector: Collector, asked: Wanted, span: _Span, voice: Voice) -> None:
    """Tables, and beside them what is wrong with them (`….quality.json`)."""
    quality, rows = Quality(asked.step), 0
    with stop_on_signals() as stop, Tables(out, asked.file.metrics) as tables:
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
    unusable = [name for name in quality.services if not quality.usable(name)]
    if unusable:
        voice.say(f"not enough to learn from: {', '.join(unusable)}")
    files = [str(path) for path in tables.files]
    words = f"{rows:,} rows of {len(quality.services):,} services saved in {out}; what is wrong with them: {place}"
    voice.report(words, {"rows": rows, "files": files, "quality": str(place), "unusable": unusable, **report})


def _counted(slices: Iterator[Slice], span: _Span, voice: Voice, stop: Stop) -> Iterator[Slice]:
    with voice.counter("reading", span.steps, "steps") as counter:
        for part in slices:
            if stop():
                raise Failure("stopped early: nothing was saved")
            yield part
            counter.add(len(part.time), format_time(part.end * MICROS)[:16])


@dataclass(slots=True)
class _Sending:
    """Slices into Kafka, each in one transaction with the position behind it."""

    settings: Settings
    client: Client
    collector: Collector
    asked: Wanted
    span: _Span
    voice: Voice
    source_id: str

    def run(self, live: bool, restart: bool, end: bool) -> None:
        topics = self.settings.topics
        place = Place(topics.events, state_topic(self.settings, "source"), self.source_id, self.settings.prefix)
        try:
            with stop_on_signals() as stop, ExactlyOnce(kafka_options(self.settings), place, encode_events) as source:
                if restart:
                    source.forget()
                began, events = time.monotonic(), source.position.events
                finished = self._send(source, self._behind(source), live, stop)
                margin = closing_margin(self.settings, "metric", self.asked.step * MICROS)
                left_open = source.end(margin) if end and finished else []
                sent, position = source.position.events - events, source.at
        except PublishError as error:
            raise Failure(str(error)) from error
        if left_open:
            self.voice.say(f"others write to {topics.events} too: partitions {left_open} could not be closed")
        _tell(self.collector, self.voice)
        if not finished and not live:
            raise Failure(f"stopped early: {sent:,} events were sent; started again, it goes on behind them")
        until = format_time(position["until"] * MICROS) if position else None
        document: dict[str, object] = {
            "topic": topics.events,
            "id": self.source_id,
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
        taken = aligned(int(source.at["until"]), self.span.step)
        self.voice.say(f"going on behind {format_time(taken * MICROS)}, the position of {self.source_id}")
        return taken

    def _send(self, source: ExactlyOnce, position: int, live: bool, stop: Stop) -> bool:
        """Whether everything was sent, that is: nobody asked to stop."""
        step, delay = self.span.step, self.settings.victoriametrics.delay_s
        if live:
            slices = polled(self.client, self.collector, Poll(step, delay), position, SystemClock(), stop)
        else:
            slices = self.collector.slices(position + step, self.span.end)
        total = None if live else max(0, (self.span.end - position) // step)
        with self.voice.counter("sending", total, "steps") as counter:
            for part in slices:
                source.publish(part.events(SOURCE), {"until": part.end, "step": step})
                counter.add(len(part.time), format_time(part.end * MICROS)[:16])
                if stop():
                    return False
        return True
