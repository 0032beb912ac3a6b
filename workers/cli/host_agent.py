"""`faultline source host`: sampler, sender and voice put together, from the first sample to the account in the end."""

from __future__ import annotations

import os
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from workers.cli.clients import kafka_options
from workers.cli.failures import Failure
from workers.cli.sending import Target
from workers.cli.voice import Voice
from workers.runtime.clock import SystemClock
from workers.settings import SourceSettings
from workers.sources.host.agent import Beats, host_events
from workers.sources.host.missing import Missing
from workers.sources.host.paths import Paths
from workers.sources.host.sampler import Sampler, host_event, machine_name
from workers.sources.host.sending import SampleSender, SendingFailed
from workers.sources.stopping import stop_on_signals


class _Attentive(SystemClock):
    """Hears what has become of sent samples while it sleeps."""

    def __init__(self, sender: SampleSender) -> None:
        self._sender = sender

    def sleep(self, seconds: float) -> None:
        self._sender.serve(seconds)


def paths_of(settings: SourceSettings) -> Paths:
    """Where the kernel's files are, by the settings or the variables that other agents know. Raises `Failure`."""
    paths = Paths(
        Path(settings.proc or os.environ.get("HOST_PROC", "/proc")),
        Path(settings.sys or os.environ.get("HOST_SYS", "/sys")),
        Path(settings.root or os.environ.get("HOST_ROOT", "/")),
    )
    if paths.mounted and not (paths.proc / "stat").exists():
        raise Failure(f"{paths.proc} is no /proc of a machine: mount it there (-v /proc:{paths.proc}:ro)")
    return paths


def run(target: Target, voice: Voice, entity: str, interval: float, samples: int, loopback: bool) -> dict[str, Any]:
    """Sample and send until stopped, or so many times (0: no end); what became of it. Raises `Failure`."""
    own = target.settings.source
    name = entity or own.entity or machine_name()
    warn = partial(voice.console.print, markup=False)
    missing, beats = Missing(warn), Beats()
    sampler = Sampler(paths_of(own), own.scope, loopback or own.loopback, missing)
    if sampler.container is not None:
        voice.say("CPU and memory are shares of this container's limits")
    sender = SampleSender(
        kafka_options(target.settings), target.topic, target.encode, interval, own.patience_seconds, warn
    )
    target.encode(host_event(name, 0.0, {"cpu_ratio": 0.0}))  # loads what encodes, so that no beat is missed for it
    with stop_on_signals() as stop, voice.counter("sending") as counter:
        try:
            sender.check_topic()
            stream = host_events(name, interval, _Attentive(sender), stop, sampler, beats, warn)
            for event in islice(stream, samples) if samples else stream:
                sender.send(event)
                counter.add(1)
            sender.serve()
        except SendingFailed as error:
            raise Failure(str(error)) from error
        finally:
            before = sender.account.missed
            sender.close()
    account = sender.account
    return {
        "topic": target.topic,
        "entity": name,
        "events": account.delivered,
        "missed": account.missed,
        "reason": account.reason,
        "unsent": account.missed - before,
        "beats_left_out": beats.late + beats.repeated,
        "left_out": dict(missing.counts),
        "seconds": round(counter.seconds, 3),
    }
