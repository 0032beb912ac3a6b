"""One sample of this machine after another, under the names of `models.features.host.BASE`.

What the system does not tell, or not to this user, is left out: a missing metric is a missing value, never a zero.
Cumulative values are sent as they are, marked as counters; whoever reads them turns them into increases.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from schemas.columns import COUNTER, GAUGE, Events, Strings
from workers.sources.columns import metric_events
from workers.sources.host.processes import (
    Identity,
    Process,
    Processes,
    busiest_share,
    diversity,
    entropy,
    largest_memory,
)

CORES = 4
"""Cores that are told one by one; all of them count in the average, the maximum and the spread."""

COUNTERS = frozenset(
    {
        *("disk_reads", "disk_writes", "disk_read_bytes", "disk_write_bytes"),
        *("network_receive_bytes", "network_transmit_bytes", "network_receive_packets", "network_transmit_packets"),
        *("network_receive_errors", "network_transmit_errors", "network_receive_drops", "network_transmit_drops"),
        "context_switches",
    }
)
"""Metrics whose value is a total since the machine started."""

_FILE_TABLE = Path("/proc/sys/fs/file-nr")
_VIRTUAL_DISKS = ("loop", "ram", "zram", "dm-", "md")
_ABSENT = (psutil.Error, OSError, AttributeError, NotImplementedError)

Values = dict[str, float]


def machine_name() -> str:
    """What this machine calls itself; the entity unless the settings name another."""
    return socket.gethostname()


@dataclass(slots=True)
class _Before:
    """What differences to the previous sample are taken from."""

    monotonic: float
    processes: Mapping[Identity, Process]
    disk_busy_ms: Mapping[str, float]


class Sampler:
    """Takes samples. The first one lacks what needs a sample before it (CPU shares, new and ended processes)."""

    def __init__(self) -> None:
        self._processes = Processes()
        self._before: _Before | None = None

    def sample(self, monotonic: float, epoch: float) -> Values:
        """Everything that can be read now. `monotonic` and `epoch` are the two clocks' seconds."""
        values: Values = {}
        now = _Before(monotonic, self._processes.read(), _read(_disk_busy, {}))
        for part in (_cpu if self._before else _prime_cpu, _memory, _disk, _network, _load, _system):
            values |= _read(part, {})
        values["uptime_seconds"] = epoch - psutil.boot_time()
        values |= _process_values(now.processes)
        if self._before is not None and monotonic > self._before.monotonic:
            values |= _since(self._before, now)
        self._before = now
        return {name: value for name, value in values.items() if np.isfinite(value)}


def host_event(entity: str, epoch: float, values: Values) -> Events:
    """A sample as one event of kind `host`."""
    types = np.array([COUNTER if name in COUNTERS else GAUGE for name in values], np.int8)
    row = np.array([list(values.values())], np.float64)
    time = np.array([round(epoch * 1e6)], np.int64)
    return metric_events(time, Strings(np.zeros(1, np.int32), (entity,)), "host", "host", list(values), row, types)


def _read(part: Callable[[], Values], missing: Values) -> Values:
    """A part's values, or none of them where the system refuses or lacks them."""
    try:
        return part()
    except _ABSENT:
        return missing


def _prime_cpu() -> Values:
    """psutil measures CPU shares since its last call: the first call only starts the measurement."""
    psutil.cpu_percent(percpu=True)
    psutil.cpu_times_percent()
    return {}


def _cpu() -> Values:
    cores = np.array(psutil.cpu_percent(percpu=True)) / 100
    times = psutil.cpu_times_percent()
    return {
        "cpu_ratio": float(cores.mean()),
        "cpu_core_max_ratio": float(cores.max()),
        "cpu_core_std_ratio": float(cores.std()),
        **{f"cpu_core_{number}_ratio": float(share) for number, share in enumerate(cores[:CORES])},
        "cpu_user_ratio": times.user / 100,
        "cpu_system_ratio": times.system / 100,
        "cpu_iowait_ratio": getattr(times, "iowait", float("nan")) / 100,
    }


def _memory() -> Values:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "memory_total_bytes": memory.total,
        "memory_used_bytes": memory.total - memory.available,
        "memory_free_bytes": memory.available,
        "memory_used_ratio": 1 - memory.available / memory.total,
        "swap_used_bytes": swap.used,
        "swap_used_ratio": swap.used / swap.total if swap.total else 0.0,
    }


def _disk() -> Values:
    values: Values = {"disk_used_ratio": psutil.disk_usage("/").percent / 100}
    total = psutil.disk_io_counters()
    if total is not None:  # no disk of its own, as in some containers
        values |= {
            "disk_reads": total.read_count,
            "disk_writes": total.write_count,
            "disk_read_bytes": total.read_bytes,
            "disk_write_bytes": total.write_bytes,
        }
    return values


def _disk_busy() -> Values:
    """Milliseconds that each physical disk was busy since start; its partitions would count it twice."""
    disks = psutil.disk_io_counters(perdisk=True)
    physical = {name: disk for name, disk in disks.items() if not name.startswith(_VIRTUAL_DISKS)}
    whole = {name: disk for name, disk in physical.items() if not _is_partition(name, physical)}
    return {name: float(disk.busy_time) for name, disk in whole.items()}


def _is_partition(name: str, disks: Mapping[str, object]) -> bool:
    """sda1 of sda, nvme0n1p2 of nvme0n1."""
    stem = name.rstrip("0123456789")
    return stem != name and (stem in disks or (stem.endswith("p") and stem[:-1] in disks))


def _network() -> Values:
    links = psutil.net_io_counters(pernic=True)
    real = [link for name, link in links.items() if name != "lo" and not name.startswith("lo0")]
    return {
        "network_receive_bytes": sum(link.bytes_recv for link in real),
        "network_transmit_bytes": sum(link.bytes_sent for link in real),
        "network_receive_packets": sum(link.packets_recv for link in real),
        "network_transmit_packets": sum(link.packets_sent for link in real),
        "network_receive_errors": sum(link.errin for link in real),
        "network_transmit_errors": sum(link.errout for link in real),
        "network_receive_drops": sum(link.dropin for link in real),
        "network_transmit_drops": sum(link.dropout for link in real),
    }


def _load() -> Values:
    one, five, fifteen = psutil.getloadavg()
    return {"load_1": one, "load_5": five, "load_15": fifteen}


def _system() -> Values:
    values: Values = {"context_switches": psutil.cpu_stats().ctx_switches}
    if _FILE_TABLE.exists():
        values["open_files"] = float(_FILE_TABLE.read_text().split()[0])
    return values | _read(_connections, {})


def _connections() -> Values:
    """Internet sockets of this machine's network, as far as this user may see them."""
    sockets = psutil.net_connections(kind="inet")
    listening = sum(socket.status == psutil.CONN_LISTEN for socket in sockets)
    return {"connections": len(sockets) - listening, "connections_listen": listening}


def _process_values(now: Mapping[Identity, Process]) -> Values:
    names = [process.name for process in now.values()]
    return {
        "process_count": len(now),
        "process_suspicious": sum(process.suspicious for process in now.values()),
        "process_top5_memory_ratio": largest_memory(now) / psutil.virtual_memory().total,
        "thread_count": sum(process.threads for process in now.values()),
        "process_name_entropy": entropy(names),
        "process_name_diversity_ratio": diversity(names),
    }


def _since(before: _Before, now: _Before) -> Values:
    """What needs the sample before: busy shares, processes that came and went."""
    seconds = now.monotonic - before.monotonic
    busy = [
        now.disk_busy_ms[disk] - before.disk_busy_ms[disk] for disk in now.disk_busy_ms if disk in before.disk_busy_ms
    ]
    values: Values = {
        "process_new": len(now.processes.keys() - before.processes.keys()),
        "process_ended": len(before.processes.keys() - now.processes.keys()),
        "process_top5_cpu_ratio": busiest_share(now.processes, before.processes, seconds) / (psutil.cpu_count() or 1),
    }
    if busy:
        values["disk_busy_ratio"] = min(1.0, max(0.0, max(busy)) / 1000 / seconds)
    return values
