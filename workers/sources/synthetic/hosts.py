"""Samples of synthetic machines: every base metric, moved by one load with a daily rhythm, strained by anomalies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import COUNTER, GAUGE, Events, Strings
from workers.sources.columns import metric_events, take
from workers.sources.synthetic.attacks import strike
from workers.sources.synthetic.plan import Plan, habits
from workers.sources.synthetic.rhythm import busyness, local_hours
from workers.sources.synthetic.truth import HOST_KINDS, Truth

_NOISE, _BLOCKS = 4, 5  # the seed's streams for where noise begins and for samples
_SIZE, _PHASE = 13, 14  # what machines differ in
_BLOCK = 240  # samples generated at once; fixed, because the random streams follow it

_CORES = 4
_MEMORY = 16 * 2**30
_SWAP = 4 * 2**30
_CHANNELS = ("cpu", "memory", "disk", "network", "processes", "slow")
_PERSISTENCE = np.array([0.7, 0.97, 0.6, 0.7, 0.9, 0.995])[:, None]
"""Share of a channel's noise that carries over to the next sample."""

_COUNTERS = (
    *("disk_reads", "disk_writes", "disk_read_bytes", "disk_write_bytes"),
    *("network_receive_bytes", "network_transmit_bytes", "network_receive_packets", "network_transmit_packets"),
    *("network_receive_errors", "network_transmit_errors", "network_receive_drops", "network_transmit_drops"),
    "context_switches",
)

Grid = NDArray[np.float64]  # (hosts, samples)


@dataclass(slots=True)
class _State:
    """What one block hands to the next."""

    noise: Grid  # (channels, hosts)
    totals: dict[str, Grid]  # (hosts, 1) counters so far
    queue: Grid  # (hosts, up to 14) the last run queues, for load averages


@dataclass(frozen=True, slots=True)
class _Attacks:
    """Simulated attacks, each grid (hosts, samples); `first` is where they lie in the plan."""

    strength: dict[str, Grid]
    progress: Grid
    onset: Grid
    first: int = 0

    def of(self, part: slice) -> _Attacks:
        strength = {name: grid[:, part] for name, grid in self.strength.items()}
        return _Attacks(strength, self.progress[:, part], self.onset[:, part], part.start)


def host_events(truth: Truth) -> Iterator[Events]:
    """One event of kind `host` per machine and interval, in time order, blocks of some hundred samples."""
    plan = truth.plan
    size = habits(plan.entities, _SIZE, 0.8, 1.2)
    phase = (habits(plan.entities, _PHASE, 0, 1) * plan.interval).astype(np.int64)
    noise = np.random.default_rng([plan.seed, _NOISE]).standard_normal((len(_CHANNELS), plan.entities))
    state = _State(noise, {}, np.empty((plan.entities, 0)))
    nothing = np.zeros((plan.entities, plan.intervals))
    strains = {kind: nothing if plan.attacks else truth.grid(kind, 0.0) for kind in HOST_KINDS}
    progress = _progress(truth)
    attacks = _Attacks({kind: truth.grid(kind, 0.0) for kind in plan.attacks}, *_course(truth))
    for first in range(0, plan.intervals, _BLOCK):
        part = slice(first, min(first + _BLOCK, plan.intervals))
        rng = np.random.default_rng([plan.seed, _BLOCKS, first])
        time = plan.start + np.arange(part.start, part.stop, dtype=np.int64) * plan.interval + phase
        strain = {kind: grid[:, part] for kind, grid in strains.items()} | {"progress": progress[:, part]}
        yield _block_events(plan, time, _metrics(plan, time, size, strain, state, attacks.of(part), rng))


def _course(truth: Truth) -> tuple[Grid, Grid]:
    """Of each interval, how far an episode has come (evenly, up to 1), and whether it begins there."""
    progress, onset = np.zeros((2, truth.plan.entities, truth.plan.intervals))
    for entity, first, last in zip(truth.entity, truth.first, truth.last, strict=True):
        length = last - first + 1
        progress[entity, first : last + 1] = np.arange(1, length + 1) / length
        onset[entity, first] = 1.0
    return progress, onset


def _progress(truth: Truth) -> Grid:
    """How far an episode has come in each of its intervals, up to 1: what leaks grows."""
    cells = np.zeros((truth.plan.entities, truth.plan.intervals))
    for entity, first, last in zip(truth.entity, truth.first, truth.last, strict=True):
        cells[entity, first : last + 1] = np.linspace(0.5, 1, last - first + 1) if last > first else 1.0
    return cells


def _metrics(
    plan: Plan,
    time: NDArray[np.int64],
    size: Grid,
    strain: dict[str, Grid],
    state: _State,
    attacks: _Attacks,
    rng: np.random.Generator,
) -> dict[str, Grid]:
    noise = _noise(state, time.shape[1], rng)
    hours, weekdays = local_hours(time[0], plan.timezone)
    load = np.clip((0.25 + 0.75 * busyness(hours, weekdays)) * size, 0.05, 1.2)
    seconds = plan.interval / 1e6
    values = _gauges(load, size, strain, noise, rng)
    increases = _increases(load, strain, noise, seconds, rng)
    at = attacks
    strike(values, increases, at.strength, at.progress, at.onset, seconds, [plan.seed, at.first])
    values |= _load_averages(values["load_1"], state)
    values["uptime_seconds"] = 864_000 + (time - plan.start) / 1e6
    for name in _COUNTERS:
        total = np.cumsum(np.rint(increases[name]), axis=1) + state.totals.get(name, 0.0)
        values[name] = total
        state.totals[name] = total[:, -1:]
    return values


def _noise(state: _State, samples: int, rng: np.random.Generator) -> dict[str, Grid]:
    """Standard noise per channel, (hosts, samples), each sample near the one before it."""
    fresh = rng.standard_normal((samples, *state.noise.shape)) * np.sqrt(1 - _PERSISTENCE**2)
    walked = np.empty_like(fresh)
    for step, innovation in enumerate(fresh):
        state.noise = _PERSISTENCE * state.noise + innovation
        walked[step] = state.noise
    return {channel: walked[:, number].T.copy() for number, channel in enumerate(_CHANNELS)}


def _gauges(
    load: Grid,
    size: Grid,
    strain: dict[str, Grid],
    noise: dict[str, Grid],
    rng: np.random.Generator,
) -> dict[str, Grid]:
    """Everything that is a level."""
    shape = load.shape
    cpu = np.clip(0.05 + 0.3 * load * np.exp(0.15 * noise["cpu"]), 0.01, 0.9)
    cpu += strain["cpu"] * (0.97 - cpu)
    cores = np.clip(cpu[..., None] + 0.03 * rng.standard_normal((*shape, _CORES)), 0, 1)
    iowait = np.clip(0.01 * np.exp(0.3 * noise["disk"]) + 0.3 * strain["disk"], 0, 0.9 * (1 - cores.mean(-1)))
    memory = np.clip(0.45 + 0.08 * load + 0.02 * noise["memory"], 0.1, 0.85)
    memory += strain["memory"] * strain["progress"] * (0.97 - memory)
    swap = np.clip(0.02 + 0.004 * noise["slow"] + 0.6 * strain["memory"] * strain["progress"], 0, 1)
    busy = np.clip(0.05 + 0.15 * load * np.exp(0.25 * noise["disk"]), 0, 0.8)
    busy += strain["disk"] * (0.99 - busy)
    run_queue = _CORES * (cpu + iowait) * np.exp(0.1 * rng.standard_normal(shape)) + 6 * strain["cpu"]
    came = rng.poisson(3 + 5 * load + 120 * strain["processes"])
    ended = rng.poisson(3 + 5 * load + 80 * strain["processes"])
    processes = np.rint(size * 180 + 25 * load + 4 * noise["processes"] + 90 * strain["processes"])
    top_cpu = np.clip(cores.mean(-1) * (0.75 + 0.05 * rng.standard_normal(shape)), 0, 1)
    names = np.clip(0.42 + 0.01 * noise["processes"] + 0.25 * strain["processes"], 0, 1)
    return {
        "cpu_ratio": cores.mean(-1),
        "cpu_core_max_ratio": cores.max(-1),
        "cpu_core_std_ratio": cores.std(-1),
        **{f"cpu_core_{core}_ratio": cores[..., core] for core in range(_CORES)},
        "cpu_user_ratio": 0.75 * cores.mean(-1),
        "cpu_system_ratio": 0.25 * cores.mean(-1),
        "cpu_iowait_ratio": iowait,
        "memory_total_bytes": np.full(shape, float(_MEMORY)),
        "memory_used_bytes": np.rint(memory * _MEMORY),
        "memory_free_bytes": _MEMORY - np.rint(memory * _MEMORY),
        "memory_used_ratio": memory,
        "swap_used_bytes": np.rint(swap * _SWAP),
        "swap_used_ratio": swap,
        "disk_used_ratio": np.clip(0.55 + 0.01 * noise["slow"], 0, 1),
        "disk_busy_ratio": busy,
        "load_1": run_queue,
        "process_count": processes,
        "process_new": came.astype(np.float64),
        "process_ended": ended.astype(np.float64),
        "process_suspicious": np.rint(4 * strain["processes"]),
        "process_top5_cpu_ratio": top_cpu,
        "process_top5_memory_ratio": np.clip(0.6 * memory, 0, 1),
        "thread_count": np.rint(processes * (3.2 + 0.1 * rng.standard_normal(shape))),
        "open_files": np.rint(processes * 14 + 300 * load + 40 * rng.standard_normal(shape)),
        "connections": np.rint((120 + 400 * load) * np.exp(0.1 * noise["network"]) * (1 + 6 * strain["network"])),
        "connections_listen": np.full(shape, 24.0),
        "process_name_entropy": 5.2 + 0.05 * noise["processes"] + 1.2 * strain["processes"],
        "process_name_diversity_ratio": names,
    }


def _increases(
    load: Grid, strain: dict[str, Grid], noise: dict[str, Grid], seconds: float, rng: np.random.Generator
) -> dict[str, Grid]:
    """What counters grow by in each interval."""
    shape = load.shape
    reads = 40 * load * np.exp(0.3 * noise["disk"]) * (1 + 12 * strain["disk"]) * seconds
    writes = 60 * load * np.exp(0.3 * noise["disk"]) * (1 + 9 * strain["disk"]) * seconds
    received = 900 * load * np.exp(0.2 * noise["network"]) * (1 + 8 * strain["network"]) * seconds
    sent = 800 * load * np.exp(0.2 * noise["network"]) * (1 + 14 * strain["network"]) * seconds
    flood = 40 * strain["network"] * seconds
    return {
        "disk_reads": reads,
        "disk_writes": writes,
        "disk_read_bytes": reads * 24_000 * np.exp(0.1 * rng.standard_normal(shape)),
        "disk_write_bytes": writes * 16_000 * np.exp(0.1 * rng.standard_normal(shape)),
        "network_receive_packets": received,
        "network_transmit_packets": sent,
        "network_receive_bytes": received * 700 * np.exp(0.05 * rng.standard_normal(shape)),
        "network_transmit_bytes": sent * 900 * np.exp(0.05 * rng.standard_normal(shape)),
        "network_receive_errors": rng.poisson(0.002 * seconds + 0.2 * flood).astype(np.float64),
        "network_transmit_errors": rng.poisson(0.001 * seconds + 0.1 * flood).astype(np.float64),
        "network_receive_drops": rng.poisson(0.01 * seconds + flood).astype(np.float64),
        "network_transmit_drops": rng.poisson(0.005 * seconds + 0.5 * flood).astype(np.float64),
        "context_switches": (4_000 + 9_000 * load) * np.exp(0.1 * noise["cpu"]) * (1 + strain["cpu"]) * seconds,
    }


def _load_averages(queue: Grid, state: _State) -> dict[str, Grid]:
    """Means of the last 5 and 15 samples, of fewer at the very beginning."""
    known = np.concatenate([state.queue, queue], axis=1)
    state.queue = known[:, -14:]
    return {f"load_{width}": _smoothed(known, width)[:, -queue.shape[1] :] for width in (5, 15)}


def _smoothed(values: Grid, width: int) -> Grid:
    count = values.shape[1]
    sums = np.cumsum(values, axis=1)
    before = np.concatenate([np.zeros((len(values), width)), sums], axis=1)[:, :count]
    means: Grid = (sums - before) / np.minimum(np.arange(1, count + 1), width)
    return means


def _block_events(plan: Plan, time: NDArray[np.int64], metrics: dict[str, Grid]) -> Events:
    hosts, samples = time.shape
    values = np.stack(list(metrics.values()), axis=-1).reshape(hosts * samples, len(metrics))
    types = np.array([COUNTER if name in _COUNTERS else GAUGE for name in metrics], np.int8)
    entity = Strings(np.repeat(np.arange(hosts, dtype=np.int32), samples), plan.names)
    events = metric_events(time.ravel(), entity, "host", "synthetic", list(metrics), np.round(values, 6), types)
    return take(events, np.argsort(events.time, kind="stable"))
