"""One sample of this machine after another, under the names of `models.features.host.BASE`.

What the system does not tell, or not to this user, is left out: a missing metric is a missing value, never a zero.
Counters are totals since the sampler began, marked as such; whoever reads them turns them into increases.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import psutil

from schemas.columns import COUNTER, GAUGE, Events, Strings
from workers.sources.columns import metric_events
from workers.sources.host.container import Container, CpuTimes, limited
from workers.sources.host.disks import DISK_METRICS, busiest, disks
from workers.sources.host.missing import Missing
from workers.sources.host.network import LINK_METRICS, links, sockets
from workers.sources.host.paths import Paths
from workers.sources.host.process_table import ProcessTable
from workers.sources.host.processes import Identity, Process, busiest_share, diversity, entropy, largest_memory
from workers.sources.host.shares import CpuReading, cpu_shares, read_cpu
from workers.sources.host.totals import Totals

COUNTERS = frozenset({*DISK_METRICS, *LINK_METRICS, "context_switches"})
"""Metrics whose value is a total."""

Scope = Literal["auto", "machine", "container"]

_ABSENT = (psutil.Error, OSError, AttributeError, NotImplementedError, ValueError, IndexError)

Values = dict[str, float]


def machine_name() -> str:
    """What this machine calls itself; the entity unless the settings name another."""
    return socket.gethostname()


@dataclass(slots=True)
class _Before:
    """What differences to the previous sample are taken from. None: could not be read."""

    monotonic: float
    cpu: CpuReading | None = None
    container_cpu: CpuTimes | None = None
    processes: Mapping[Identity, Process] | None = None
    disk_busy: Mapping[str, float] = field(default_factory=dict)


class Sampler:
    """Takes samples. The first one lacks what needs a sample before it: shares, increases, new and ended processes.

    `scope` says what CPU and memory are shares of: `auto` takes the limits of the container that this runs in, if it
    has any and looks at no other machine by `paths`. `loopback` counts traffic of the machine with itself as well.
    """

    def __init__(
        self,
        paths: Paths | None = None,
        scope: Scope = "auto",
        loopback: bool = False,
        missing: Missing | None = None,
    ) -> None:
        self.missing = missing or Missing()
        self._paths = paths or Paths()
        self._loopback = loopback
        psutil.PROCFS_PATH = str(self._paths.proc)
        self._table = ProcessTable(self._paths.proc, self.missing)
        self._disks, self._links, self._switches = Totals(len(DISK_METRICS)), Totals(len(LINK_METRICS)), Totals(1)
        self._before: _Before | None = None
        self.container = self._container(scope)

    def _container(self, scope: Scope) -> Container | None:
        if scope == "machine" or (scope == "auto" and self._paths.mounted):
            return None
        return limited(psutil.virtual_memory().total)

    def sample(self, monotonic: float, epoch: float) -> Values:
        """Everything that can be read now. `monotonic` and `epoch` are the two clocks' seconds."""
        now, before, values = _Before(monotonic), self._before, Values()
        seconds = monotonic - before.monotonic if before is not None else 0.0
        if seconds <= 0:
            before = None

        def cpu() -> Values:
            now.cpu = read_cpu()
            return cpu_shares(before.cpu, now.cpu) if before and before.cpu else {}

        def disk() -> Values:
            totals, now.disk_busy = disks()
            busy = busiest(now.disk_busy, before.disk_busy, seconds) if before else None
            return self._grown(self._disks, DISK_METRICS, totals) | ({} if busy is None else {"disk_busy_ratio": busy})

        def processes() -> Values:
            now.processes = self._table.read()
            told = _of_processes(now.processes, before.processes if before else None)
            if not self._table.programs_seen:
                del told["process_suspicious"]  # its own processes are not the machine's
            return told

        parts: dict[str, Callable[[], Values]] = {
            "CPU": cpu,
            "memory": _memory,
            "swap": _swap,
            "disks": disk,
            "filling of the file system": self._filling,
            "network": lambda: self._grown(self._links, LINK_METRICS, links(self._paths, self._loopback)),
            "connections": lambda: dict(sockets(self._paths)),
            "load": _load,
            "context switches": self._context_switches,
            "open files": self._open_files,
            "processes": processes,
        }
        for name, part in parts.items():
            values |= self._read(name, part)
        values["uptime_seconds"] = _uptime(epoch)
        values |= self._read("limits of the container", lambda: self._limited(values, now, before, seconds))
        values |= _busiest(values, now, before, seconds, self._cores())
        self._before = now
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def _read(self, name: str, part: Callable[[], Values]) -> Values:
        """A part's values, or none of them where the system refuses or lacks them."""
        try:
            return part()
        except _ABSENT as error:
            self.missing.note(name, error or type(error).__name__)
            return {}

    @staticmethod
    def _grown(totals: Totals, names: tuple[str, ...], now: Mapping[str, Sequence[float]]) -> Values:
        sums = totals.add(now)
        return dict(zip(names, sums, strict=True)) if sums is not None and now else {}

    def _context_switches(self) -> Values:
        return self._grown(self._switches, ("context_switches",), {"": (float(psutil.cpu_stats().ctx_switches),)})

    def _open_files(self) -> Values:
        table = self._paths.proc / "sys" / "fs" / "file-nr"
        return {"open_files": float(table.read_text().split()[0])}

    def _filling(self) -> Values:
        return {"disk_used_ratio": psutil.disk_usage(str(self._paths.root)).percent / 100}

    def _cores(self) -> float:
        """Cores that CPU time is a share of."""
        cores = self.container.cores() if self.container else None
        return cores or float(psutil.cpu_count() or 1)

    def _limited(self, values: Values, now: _Before, before: _Before | None, seconds: float) -> Values:
        """CPU and memory as shares of the container's limits, in place of the machine's."""
        if self.container is None:
            return {}
        found = Values()
        limit, used = (
            self.container.memory_limit(int(values.get("memory_total_bytes", 0))),
            self.container.memory_used(),
        )
        if limit is not None and used is not None:
            found |= _shares_of_memory(limit, limit - used)
        swap = self.container.swap()
        if swap is not None:
            found |= {"swap_used_bytes": swap[0], "swap_used_ratio": swap[0] / swap[1] if swap[1] else 0.0}
        cores, now.container_cpu = self.container.cores(), self.container.cpu()
        if cores is not None and now.container_cpu is not None:
            for name in [name for name in values if name.startswith("cpu_")]:
                del values[name]  # of the machine, of which the container may use a part
            if before is not None and before.container_cpu is not None:
                found |= now.container_cpu.shares(before.container_cpu, seconds * cores)
        return found


def host_event(entity: str, epoch: float, values: Values) -> Events:
    """A sample as one event of kind `host`."""
    types = np.array([COUNTER if name in COUNTERS else GAUGE for name in values], np.int8)
    row = np.array([list(values.values())], np.float64)
    time = np.array([round(epoch * 1e6)], np.int64)
    return metric_events(time, Strings(np.zeros(1, np.int32), (entity,)), "host", "host", list(values), row, types)


def _memory() -> Values:
    memory = psutil.virtual_memory()
    return _shares_of_memory(memory.total, memory.available)


def _shares_of_memory(total: int, free: int) -> Values:
    return {
        "memory_total_bytes": total,
        "memory_used_bytes": total - free,
        "memory_free_bytes": free,
        "memory_used_ratio": 1 - free / total,
    }


def _swap() -> Values:
    swap = psutil.swap_memory()
    return {"swap_used_bytes": swap.used, "swap_used_ratio": swap.used / swap.total if swap.total else 0.0}


def _load() -> Values:
    one, five, fifteen = psutil.getloadavg()
    return {"load_1": one, "load_5": five, "load_15": fifteen}


def _uptime(epoch: float) -> float:
    """Seconds since the machine started, sleep included; a clock that is set anew does not change it where it can."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(clock) if clock is not None else epoch - psutil.boot_time()


def _of_processes(now: Mapping[Identity, Process], before: Mapping[Identity, Process] | None) -> Values:
    names = [process.name for process in now.values()]
    values: Values = {
        "process_count": len(now),
        "process_suspicious": sum(process.suspicious for process in now.values()),
        "thread_count": sum(process.threads for process in now.values()),
        "process_name_entropy": entropy(names),
        "process_name_diversity_ratio": diversity(names),
    }
    if before is not None:
        values |= {
            "process_new": len(now.keys() - before.keys()),
            "process_ended": len(before.keys() - now.keys()),
        }
    return values


def _busiest(values: Values, now: _Before, before: _Before | None, seconds: float, cores: float) -> Values:
    """The five busiest and largest processes, as shares of what CPU and memory the others are shares of."""
    found = Values()
    if now.processes is not None and values.get("memory_total_bytes"):
        found["process_top5_memory_ratio"] = min(1.0, largest_memory(now.processes) / values["memory_total_bytes"])
    if now.processes is not None and before is not None and before.processes is not None:
        found["process_top5_cpu_ratio"] = min(1.0, busiest_share(now.processes, before.processes, seconds) / cores)
    return found
