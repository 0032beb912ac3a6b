"""`faultline score`: what is wrong, from files or a metrics server, without Kafka; alerts as JSON for `jq`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from schemas.columns import Events
from schemas.ids import stable_id
from schemas.times import format_time
from workers.cli.alerts import Alert, Standing, explained
from workers.cli.failures import WrongUse
from workers.cli.learning_data import counted, open_tape
from workers.cli.output import print_json
from workers.cli.score_delivery import Post, as_rows, write_files
from workers.cli.score_pipeline import Pipeline
from workers.cli.score_state import Memory, StateFile, opened
from workers.cli.sending import closing_margin
from workers.cli.voice import Voice
from workers.intake.mapping import KINDS
from workers.runtime.logs import configure
from workers.settings import Settings, load_settings
from workers.sources.columns import take
from workers.units import shown

app = typer.Typer(help="Score files or a metrics server once, without Kafka.")

_HOUR = 3_600


class Source(StrEnum):
    victoriametrics = "victoriametrics"


@app.command()
def score(
    data: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE|FOLDER…", help="Canonical events, or tables of metrics.")
    ] = None,
    source: Annotated[Source | None, typer.Option(help="Ask this instead of files.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Score what has come since the run before, and end.")] = False,
    state: Annotated[
        str | None,
        typer.Option("--state", "--fingerprint-db", metavar="FILE", help="SQLite file to go on from; '' for none."),
    ] = None,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; several times, or with commas.")] = None,
    queries: Annotated[str, typer.Option(help="YAML file of queries, or a set: otel, spanmetrics, http.")] = "",
    filter_: Annotated[str, typer.Option("--filter", help='Label matchers for {filter}, such as env="prod".')] = "",
    split: Annotated[str, typer.Option(help="Of tables with a column split, only rows of this one.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Explain, on standard error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
) -> None:
    """Score with the registry's models (without one, by the untrained rule) and print alerts: what is wrong now, and
    what is over since the run before, as one JSON array.

    With --source the state lies in faultline-score.db (FAULTLINE_SCORE__STATE, FINGERPRINT_DB), so that runs of cron
    tell what is over and count how often it came back. Of files everything that opens is told, and the state is kept
    only with --state.

    Example: faultline score --source victoriametrics --once | jq '.[] | select(.alert_type == "anomaly_detected")'
    """
    if bool(data) == (source is not None):
        raise WrongUse("give files, or --source victoriametrics")
    if source is not None and not once:
        raise WrongUse("--source needs --once; `faultline source victoriametrics --live` polls, for workers on Kafka")
    if data and (service or queries or filter_):
        raise WrongUse("--service, --queries and --filter are for --source")
    settings = load_settings()
    configure("info" if verbose else "warning", settings.log.format)
    place = state if state is not None else (settings.score.state if source is not None else "")
    with opened(Path(place)) if place else nullcontext() as kept:
        run = _Run(settings, kept, Voice.of(quiet or not verbose, False), Voice.of(quiet, False))
        if source is not None:
            from workers.cli.metrics_server import with_options

            run.settings = with_options(settings, queries, filter_)
            run.source(service or [])
        else:
            run.files(data or [], split)
        run.tell(verbose)


@dataclass(slots=True)
class _Run:
    """One run; what it remembers is saved when its alerts are out. `warnings` speak unless they must not."""

    settings: Settings
    kept: StateFile | None
    voice: Voice
    warnings: Voice
    pipeline: Pipeline | None = None
    standing: Standing | None = None
    memory: Memory | None = None

    def files(self, data: list[Path], split: str) -> None:
        pipeline, standing, memory, _ = self._begin("files")
        tape = open_tape(data, self.warnings, split)
        last, before = None, dict(memory.position)
        with counted(tape, self.voice, "scoring") as blocks:
            for block in blocks:
                new = _not_before(block, before, memory.position) if self.kept is not None else block
                if len(new):
                    last = int(new.time[-1])
                    standing.take(pipeline.take(new))
        if last is None:
            self.voice.say("nothing is newer than what the runs before have seen")
            return
        lateness = self.settings.windows.lateness_ms * 1_000
        margin = max(closing_margin(self.settings, kind, tape.cadence) for kind in KINDS)
        standing.take(pipeline.pass_time(last + (lateness if self.kept is not None else margin)))

    def source(self, services: list[str]) -> None:
        from workers.cli.metrics_server import metrics_client, wanted
        from workers.sources.victoriametrics.collect import Collector
        from workers.sources.victoriametrics.polling import Poll
        from workers.sources.victoriametrics.slices import MICROS, aligned

        asked, own = wanted(self.settings, services), self.settings.victoriametrics
        step = asked.step
        depends = (asked.label, asked.filter, step, *asked.services, *(q.query for q in asked.file.queries))
        pipeline, standing, memory, known = self._begin("victoriametrics", *map(str, depends))
        with metrics_client(own) as client:
            client.version()  # the first answer also tells the server's clock
            newest = Poll(step, own.delay_s).newest(client.now())
            oldest = aligned(newest - own.lookback_days * 24 * _HOUR, step)
            start = aligned(newest - self.settings.score.warmup_hours * _HOUR, step)
            if known:
                start = max(memory.position["victoriametrics"] + step, oldest)
            collector = Collector(client, asked)
            with self.voice.counter("scoring", max(0, (newest - start) // step + 1), "steps") as counter:
                for part in collector.slices(start, newest):
                    first, last = int(part.time[0]) * MICROS, part.end * MICROS
                    standing.take(pipeline.watch(part.events("victoriametrics"), first, last, step * MICROS))
                    memory.position["victoriametrics"] = part.end
                    counter.add(len(part.time), format_time(last)[:16])
            for line in collector.oddities.lines():
                self.warnings.say(line)
        if not known:
            standing.forget_the_past()
            standing.end_unknown(memory.open)

    def tell(self, verbose: bool) -> None:
        """Files, standard output, the state, and what is posted: what fails in between comes again, nothing is lost."""
        assert self.pipeline is not None
        assert self.standing is not None
        assert self.memory is not None
        alerts = self.standing.alerts()
        if verbose:
            self._explain(self.pipeline, alerts)
        own = self.settings.score
        if own.alerts:
            write_files(own.alerts, alerts)
        print_json([alert.payload for alert in alerts])
        post = Post(own) if own.post_to else None
        if self.kept is not None:
            self.memory.parts, self.memory.offsets = self.pipeline.save()
            self.memory.open = self.standing.open
            self.kept.write(self.memory, as_rows(alerts) if post is not None else [])
            if post is not None:
                post.waiting(self.kept)
        elif post is not None:
            post.now(alerts)

    def _begin(self, *depends: str) -> tuple[Pipeline, Standing, Memory, bool]:
        """The steps, as the run before left them where that fits; whether it does."""
        self.pipeline, self.standing = Pipeline(self.settings), Standing()
        config = stable_id(self.pipeline.config_hash, *depends)
        found = self.kept.read() if self.kept is not None else None
        known = found is not None and found.config == config
        if found is not None and known:
            self.pipeline.resume(found.parts, found.offsets)
            self.standing.open = dict(found.open)
            self.memory = found
        else:
            if found is not None:
                self.warnings.say("settings or queries differ from those of the run before: beginning anew")
            self.memory = Memory(config, open=found.open if found is not None else {})
        return self.pipeline, self.standing, self.memory, known

    def _explain(self, pipeline: Pipeline, alerts: list[Alert]) -> None:
        for (entity, profile), one in sorted(pipeline.latest.items()):
            model = one["model"]
            by = model["role"] if model["role"] == "fallback" else f"{model['scope']}, {model['period']}"
            said = one["severity"] or "normal"
            note = f"; {one['note']}" if one["note"] else ""
            self.voice.say(f"{shown(entity)}: {one['anomaly_score']:.2f} ({said}) by {profile} {by}{note}")
        self.voice.say(f"{pipeline.scored:,} windows of {len(pipeline.latest):,} services scored")
        for alert in alerts:
            for line in explained(alert):
                self.voice.say(line)


def _not_before(events: Events, before: Mapping[str, int], position: dict[str, int]) -> Events:
    """What is newer than the last event of its entity in the runs `before`; takes note of the `position` now."""
    known = np.array([before.get(f"entity:{name}", -1) for name in events.entity.values] or [-1], np.int64)
    new = take(events, np.flatnonzero(events.time > known[events.entity.codes]))
    for code, time in zip(new.entity.codes.tolist(), new.time.tolist(), strict=True):
        position[f"entity:{new.entity.values[code]}"] = time
    return new
