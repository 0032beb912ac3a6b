"""`faultline source`: telemetry of this host, made up, replayed from files, or read from a store."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workers.cli.extras import needing
from workers.cli.failures import Failure, WrongUse
from workers.cli.metrics_source import victoriametrics
from workers.cli.out_files import prepare
from workers.cli.sending import Target, closing_margin, deliver, drain, saved, with_pace
from workers.cli.source_opensearch import opensearch
from workers.cli.voice import Voice
from workers.sources.stopping import stop_on_signals

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Send telemetry: of this host, made up, replayed from files, or read from a store.

Events go straight to the canonical topic (telemetry.events.v1), keyed by entity; with --raw they go to the raw topic
as JSON, for `faultline worker intake`.

Example: faultline source synthetic --days 1 --services 3""",
)
app.command()(victoriametrics)


class SyntheticProfile(StrEnum):
    service = "service"
    host = "host"
    log = "log"


class Kind(StrEnum):
    metric = "metric"
    host = "host"
    api = "api"
    log = "log"
    span = "span"


class TimeUnit(StrEnum):
    s = "s"
    ms = "ms"
    us = "us"


Topic = Annotated[str, typer.Option(help="Send to this topic instead of the one in the settings.")]
Raw = Annotated[bool, typer.Option("--raw", help="Send JSON to the raw topic; intake makes canonical events of it.")]
Speed = Annotated[float | None, typer.Option(min=0, help="Seconds of event time per second; default: all at once.")]
NoEnd = Annotated[bool, typer.Option("--no-end", help="Leave the last windows open: more will follow.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was sent as JSON on standard output.")]


@app.command()
def synthetic(
    profile: Annotated[SyntheticProfile, typer.Option(help="What is made up: requests, log lines or host samples.")] = (
        SyntheticProfile.service
    ),
    days: Annotated[float, typer.Option(help="How many days.")] = 7.0,
    interval: Annotated[float, typer.Option(help="Minutes of one interval, on which rates and anomalies lie.")] = 5.0,
    services: Annotated[int, typer.Option("--services", "--hosts", help="How many services or hosts.")] = 1,
    anomaly_rate: Annotated[float, typer.Option(help="Share of intervals that are anomalous.")] = 0.05,
    episode: Annotated[str, typer.Option(metavar="MIN:MAX", help="Intervals that one anomaly lasts.")] = "1:1",
    attacks: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Simulated attacks instead: all, or names with commas (profiles host, log)."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Same seed, same data.")] = 0,
    start: Annotated[str, typer.Option(help="When data begins (RFC 3339); default Monday 2024-01-01, UTC.")] = "",
    volume: Annotated[float, typer.Option(help="Factor on the number of requests.")] = 1.0,
    timezone: Annotated[str, typer.Option(help="Zone that working hours are of.")] = "UTC",
    save_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also save the events (.parquet, .ndjson), the truth beside.")
    ] = None,
    send: Annotated[bool, typer.Option("--send/--no-send", help="Whether to send to Kafka at all.")] = True,
    live: Annotated[bool, typer.Option("--live", help="Begin now and send in real time.")] = False,
    speed: Speed = None,
    topic: Topic = "",
    raw: Raw = False,
    no_end: NoEnd = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make up telemetry with a known truth: daily and weekly rhythm, and five kinds of anomalies in equal parts.

    Services: about 1,000 requests per 5 minutes on weekdays from 9 to 17, 150–300 at night and at weekends, 0.1–2 %
    errors, p99 100–150 ms. Anomalies: errors 5–25 %, latency 3–10 times, traffic 5–20 times, traffic down by 80–95 %,
    or several of them. The truth is saved beside the data and never sent.

    --attacks makes attacks of the anomalies: cpu_burn, fork_storm, log_flood, port_scan, exfiltration, ransomware,
    slow_leak on hosts, log_flood in log lines (docs/attacks.md).

    Example: faultline source synthetic --days 1 --services 3 --episode 3:12 --save-data out/day.parquet
    """
    from workers.sources.save import check_suffix, save_truth
    from workers.sources.synthetic.generate import generate, how_many
    from workers.sources.synthetic.plan import MINUTE, MONDAY, Plan
    from workers.sources.synthetic.truth import schedule

    if live and (start or speed is not None):
        raise WrongUse("--live begins now and takes real time: leave out --start and --speed")
    voice = Voice.of(quiet, as_json)
    try:
        plan = Plan(
            profile=profile.value,
            days=days,
            interval=round(interval * MINUTE),
            entities=services,
            anomaly_rate=anomaly_rate,
            episode=parse_episode(episode),
            seed=seed,
            start=time.time_ns() // 1000 if live else parse_time(start) if start else MONDAY,
            volume=volume,
            timezone=timezone,
            attacks=parse_attacks(attacks, profile.value),
        )
        if save_data is not None:
            check_suffix(save_data)
    except (ValueError, KeyError) as error:  # KeyError: no such zone
        raise WrongUse(str(error).strip("'\"")) from error
    if not send and save_data is None:
        raise WrongUse("nothing to do: with --no-send, give --save-data FILE")
    if save_data is not None:
        prepare(save_data)

    truth = schedule(plan)
    with stop_on_signals() as stop:
        pace = 1.0 if live else speed
        blocks = with_pace(saved(generate(truth), save_data), pace if send else None, plan.start, stop)
        if send:
            target = Target.of(topic, raw, not no_end and not live)
            kind = {"service": "api", "log": "log", "host": "host"}[plan.profile]
            margin = closing_margin(target.settings, kind, plan.interval)
            done = deliver(target, voice, blocks, how_many(truth), margin, finite=not live)
        else:
            done = drain(voice, blocks, how_many(truth))
    files = [save_data, save_truth(truth.rows(), save_data)] if save_data is not None else []
    words = [f"{done['events']:,} events with {len(truth)} anomalies", *(f"saved {path}" for path in files)]
    voice.report(", ".join(words), {**done, "episodes": len(truth), "saved": [str(path) for path in files]})


@app.command()
def replay(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER…", exists=True, help="Parquet, CSV or NDJSON.")],
    kind: Annotated[Kind, typer.Option(help="Kind of the events that rows of a table become.")] = Kind.metric,
    split: Annotated[str, typer.Option(help="Only rows of this split, such as test.")] = "",
    time_unit: Annotated[TimeUnit, typer.Option(help="What numeric timestamps count since 1970.")] = TimeUnit.ms,
    speed: Speed = None,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times so that the data ends now.")
    ] = False,
    topic: Topic = "",
    raw: Raw = False,
    no_end: NoEnd = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Play recorded telemetry again: canonical events, or tables of metrics.

    A table has the columns timestamp and entity; every other numeric column is a metric (label, anomaly_point, segment
    and split never are), and empty cells are left out. Several files are merged in time order, in bounded memory;
    files without a timestamp or an entity are skipped. --speed 1 keeps the original pace.

    Example: faultline source replay data/smd --split test --speed 3600
    """
    from workers.cli.learning_data import open_tape
    from workers.sources.replay.play import playing

    voice = Voice.of(quiet, as_json)
    target = Target.of(topic, raw, not no_end)
    voice.say("reading what is there …")
    tape = open_tape(paths, voice, split, time_unit.value, kind.value)
    if tape.oddities.left_out:
        voice.say(f"columns that are not numbers are left out: {', '.join(sorted(tape.oddities.left_out))}")
    moved = time.time_ns() // 1000 - tape.last if shift_to_now else 0
    margin = closing_margin(target.settings, kind.value, tape.cadence)
    with playing(tape, moved) as events, stop_on_signals() as stop:
        blocks = with_pace(events, speed, tape.first + moved, stop)
        done = deliver(target, voice, blocks, tape.rows, margin, finite=True)
    summary = {**done, "files": [str(path) for path in tape.files], "skipped": len(tape.skipped)}
    voice.report(f"{done['events']:,} events of {len(tape.files)} files sent to {target.topic}", summary)


@app.command()
def host(
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between two samples.")] = 5.0,
    entity: Annotated[str, typer.Option(help="What this machine is called; default: its host name.")] = "",
    samples: Annotated[int, typer.Option(min=0, help="Stop after so many samples; 0: when stopped.")] = 0,
    loopback: Annotated[
        bool, typer.Option("--loopback", help="Count traffic of the machine with itself: to try out attacks on it.")
    ] = False,
    topic: Topic = "",
    raw: Raw = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Send the metrics of this machine until stopped: CPU, memory, disks, network, load, processes.

    What the system does not tell, or not to this user, is left out and said once. Counters are sent as counters. While
    Kafka is away samples wait, for 10 minutes at most; what was missed is counted and told in the end. In a container
    with limits CPU and memory are shares of these; with HOST_PROC=/host/proc the machine around it is watched.

    Example: faultline source host --interval 5
    """
    with needing("faultline source host", "host"):
        from workers.cli.host_agent import run
    voice = Voice.of(quiet, as_json)
    target = Target.of(topic, raw, end=False)
    done = run(target, voice, entity, interval, samples, loopback)
    missed = f", {done['missed']:,} were missed ({done['reason']})" if done["missed"] else ""
    voice.report(f"{done['events']:,} samples of {done['entity']} sent to {target.topic}{missed}", done)
    if done["unsent"]:
        raise Failure(f"{done['unsent']:,} samples could not be sent before the end: is the broker up?")


def parse_attacks(text: str, profile: str) -> tuple[str, ...]:
    """`all` or names with commas as names; all means those that the profile shows. The plan checks names."""
    from workers.sources.synthetic.attacks import ATTACKS, shown_by

    known = shown_by(profile) or tuple(ATTACKS)
    return known if text == "all" else tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


app.command()(opensearch)


def parse_episode(text: str) -> tuple[int, int]:
    """`3:12` as (3, 12). Raises ValueError."""
    low, _, high = text.partition(":")
    try:
        return int(low), int(high or low)
    except ValueError as error:
        raise ValueError(f"--episode {text}: give MIN:MAX, such as 3:12") from error


def parse_time(text: str) -> int:
    """RFC 3339 (a date is enough; UTC without a zone) as epoch microseconds. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--start {text}: give a time such as 2024-01-01T00:00:00Z") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6)
