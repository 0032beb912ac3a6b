"""The week of learning: events to vectors by the windows worker's own engine, vectors to one bundle per service."""

from __future__ import annotations

import multiprocessing
import queue
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple

import numpy as np
from confluent_kafka import Producer
from rich.console import Console

from models.registry import Aliases, Registry
from models.table import tables_of
from models.train import TrainPolicy, train_entities
from schemas.columns import Events, Vectors
from schemas.records import encode
from workers.demo.house import House
from workers.demo.scene import PROFILE_NAME, Scene
from workers.demo.warming import warm_up
from workers.runtime.stage import NO_WATERMARK
from workers.scoring.aliases import Name
from workers.scoring.controls import control_key, control_record
from workers.settings import Settings
from workers.sources.columns import cut, take
from workers.sources.progress import Counter
from workers.sources.stopping import Interrupted, Stop
from workers.sources.synthetic.generate import generate, how_many
from workers.sources.synthetic.truth import schedule
from workers.windows.engine import EnginePolicy, Timeline
from workers.windows.panes import PaneEngine
from workers.windows.profiles import Profile, load_profiles

PROCESSES = 2
_QUICK = 6.0  # seconds in which a process with compiled kernels has learned its first events
_COMPILE_PATIENCE = 120.0  # seconds; then they compile themselves


class LearningFailed(RuntimeError):
    """No model came of it; the message says why."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What a learning process says at its end: the version of each scope it learned, or why there is none."""

    versions: Mapping[Name, str]
    problem: str = ""


class _Lines(NamedTuple):
    """How a learning process speaks and hears: numbers of events, then `_Done`; and that the kernels are compiled."""

    told: multiprocessing.Queue[int | _Done]
    compiled: Event


def learn(console: Console, stop: Stop, scene: Scene, home: House) -> dict[Name, str]:
    """Learn every service, store the bundles, put them in force; version by profile and scope.

    Services are divided among processes; each makes up all events, keeps those of its services, and trains on them.
    Raises `LearningFailed`, `Interrupted`, `ChildDied`.
    """
    context = multiprocessing.get_context("spawn")
    lines = _Lines(context.Queue(), context.Event())
    workers: list[BaseProcess] = []
    for share in range(min(PROCESSES, scene.services)):
        services = list(range(share, scene.services, PROCESSES))
        arguments = (scene, services, home.settings, lines)
        workers.append(context.Process(target=_learn_services, args=arguments, daemon=True))
    try:
        for worker in workers:
            worker.start()
        with Counter(console, "learning", how_many(schedule(scene.lesson))) as counter:
            versions = _collect(console, workers, lines.told, counter, stop, home)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    _promote(versions, home)
    return versions


def _collect(
    console: Console,
    workers: list[BaseProcess],
    told: multiprocessing.Queue[int | _Done],
    counter: Counter,
    stop: Stop,
    home: House,
) -> dict[Name, str]:
    """Follow the processes to their ends."""
    versions: dict[Name, str] = {}
    running = len(workers)
    silent = True
    while running:
        if silent and counter.seconds > _QUICK:
            console.print("compiling the inner loops first; later runs on this machine need not")
            silent = False
        if stop():
            raise Interrupted
        home.children.check()
        try:
            said = told.get(timeout=0.2)
        except queue.Empty:
            if any(worker.exitcode not in (None, 0) for worker in workers):
                raise LearningFailed("a learning process died; see above") from None
            counter.add(0)
            continue
        silent = False
        if isinstance(said, int):
            counter.add(said)
            continue
        if said.problem:
            raise LearningFailed(said.problem)
        versions |= said.versions
        running -= 1
    return versions


def _promote(versions: Mapping[Name, str], home: House) -> None:
    """Put the bundles in force, in the registry and on the control topic, which running workers follow."""
    registry = Registry(home.settings.registry.url)
    producer = Producer(home.options)
    for name, version in sorted(versions.items()):
        aliases = Aliases(champion=version)
        registry.promote(*name, aliases)
        record = control_record(name, aliases, time.time_ns() // 1000, "demo")
        value = encode("Control", [record])[0]
        producer.produce(home.settings.topics.control, value, control_key(name), partition=0)
    if producer.flush(10):
        raise LearningFailed("the embedded broker takes no control records")


def _learn_services(scene: Scene, services: list[int], settings: Settings, lines: _Lines) -> None:
    """One process's part: events, vectors, bundles. The others wait for the first to compile, and compile the rest."""
    (declared,) = [p for p in load_profiles([Path(settings.windows.profiles)]).values() if p.name == PROFILE_NAME]
    if services[0] != 0:
        warm_up(cut(next(generate(schedule(scene.lesson))), 0, 1_000), declared, settings)
        lines.compiled.wait(_COMPILE_PATIENCE)
    vectors = []
    for block in vectors_of(_events_of(scene, services, lines.told), declared, settings):
        lines.compiled.set()
        vectors.append(block)
    registry = Registry(settings.registry.url)
    versions: dict[Name, str] = {}
    for trained in train_entities(tables_of(vectors)[0], TrainPolicy(tag="demo")):
        if isinstance(trained, str):
            lines.told.put(_Done({}, trained))
            return
        name = (trained.manifest.profile, trained.manifest.scope)
        versions[name] = registry.save(trained.manifest, trained.files)
    lines.told.put(_Done(versions))


def _events_of(scene: Scene, services: list[int], told: multiprocessing.Queue[int | _Done]) -> Iterator[Events]:
    """The events of some services; those that were taken are told."""
    for block in generate(schedule(scene.lesson)):
        mine = take(block, np.flatnonzero(np.isin(block.entity.codes, services)))
        yield mine
        told.put(len(mine))


def vectors_of(blocks: Iterator[Events], profile: Profile, settings: Settings) -> Iterator[Vectors]:
    """Vectors of events in time order, as the windows worker would emit them; the last panes are closed."""
    lateness = settings.windows.lateness_ms * 1000
    engine = PaneEngine(profile, EnginePolicy(lateness=lateness), 0)
    offset, watermark, first = 0, NO_WATERMARK, 0
    last: Events | None = None
    for block in blocks:
        if not len(block):
            continue
        first = first or int(block.time[0])
        timeline = _timeline(block, offset, watermark, lateness, first)
        for emission in engine.step(block, np.zeros(len(block), np.bool_), timeline):
            yield emission.vectors
        offset, watermark, last = offset + len(block), int(timeline.after[-1]), block
    if last is not None and profile.pane is not None:
        end = np.array([watermark + lateness + profile.pane])
        closing = Timeline(np.array([offset]), np.array([watermark]), end, np.array([first]))
        for emission in engine.step(cut(last, 0, 0), np.zeros(0, np.bool_), closing):
            yield emission.vectors


def _timeline(block: Events, offset: int, watermark: int, lateness: int, first: int) -> Timeline:
    """One record for each event: the watermark follows the events at the distance of the lateness."""
    after = np.maximum(block.time - lateness, watermark)
    before = np.concatenate([[watermark], after[:-1]])
    return Timeline(np.arange(offset, offset + len(block)), before, after, np.full(len(block), first))
