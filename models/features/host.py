"""Features of a machine (profile `host`): its base metrics, their statistics, ratios between them, and the time.

A host sends the metrics of `BASE` (any subset; what is missing is NaN) with events of kind `host`. Counts and bytes
are those of the interval since the sample before: an agent sends them as deltas, or as counters, which are turned
into increases before they get here.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.features.generic import COMMON, write_common
from models.features.history import RING, History
from models.features.lasting import LASTING, write_lasting
from models.features.series import INDEX, STATISTICS, WIDTH, write_series
from models.features.sets import Feature, FeatureSet

BASE = (
    Feature("cpu_ratio", "ratio", "busy share of all cores"),
    Feature("cpu_core_max_ratio", "ratio", "busy share of the busiest core"),
    Feature("cpu_core_std_ratio", "ratio", "standard deviation of the busy share over cores"),
    Feature("cpu_core_0_ratio", "ratio", "busy share of the first core"),
    Feature("cpu_core_1_ratio", "ratio", "busy share of the second core"),
    Feature("cpu_core_2_ratio", "ratio", "busy share of the third core"),
    Feature("cpu_core_3_ratio", "ratio", "busy share of the fourth core"),
    Feature("cpu_user_ratio", "ratio", "share of time in user code"),
    Feature("cpu_system_ratio", "ratio", "share of time in the kernel"),
    Feature("cpu_iowait_ratio", "ratio", "share of time waiting for disks"),
    Feature("memory_total_bytes", "bytes", "memory of the machine"),
    Feature("memory_used_bytes", "bytes", "memory in use"),
    Feature("memory_free_bytes", "bytes", "memory that can be had without swapping"),
    Feature("memory_used_ratio", "ratio", "share of memory in use"),
    Feature("swap_used_bytes", "bytes", "swap in use"),
    Feature("swap_used_ratio", "ratio", "share of swap in use"),
    Feature("disk_used_ratio", "ratio", "share of the root file system in use"),
    Feature("disk_reads", "operations", "reads in the interval"),
    Feature("disk_writes", "operations", "writes in the interval"),
    Feature("disk_read_bytes", "bytes", "bytes read in the interval"),
    Feature("disk_write_bytes", "bytes", "bytes written in the interval"),
    Feature("disk_busy_ratio", "ratio", "share of the interval in which a disk was busy"),
    Feature("network_receive_bytes", "bytes", "bytes received in the interval"),
    Feature("network_transmit_bytes", "bytes", "bytes sent in the interval"),
    Feature("network_receive_packets", "packets", "packets received in the interval"),
    Feature("network_transmit_packets", "packets", "packets sent in the interval"),
    Feature("network_receive_errors", "packets", "receive errors in the interval"),
    Feature("network_transmit_errors", "packets", "transmit errors in the interval"),
    Feature("network_receive_drops", "packets", "received packets dropped in the interval"),
    Feature("network_transmit_drops", "packets", "sent packets dropped in the interval"),
    Feature("load_1", "processes", "load average over 1 minute"),
    Feature("load_5", "processes", "load average over 5 minutes"),
    Feature("load_15", "processes", "load average over 15 minutes"),
    Feature("process_count", "processes", "processes alive"),
    Feature("process_new", "processes", "processes that appeared in the interval"),
    Feature("process_ended", "processes", "processes that ended in the interval"),
    Feature("process_suspicious", "processes", "processes that the agent's rules call suspicious"),
    Feature("process_top5_cpu_ratio", "ratio", "busy share of the five busiest processes together"),
    Feature("process_top5_memory_ratio", "ratio", "share of memory of the five largest processes together"),
    Feature("thread_count", "threads", "threads of all processes"),
    Feature("open_files", "files", "open file descriptors"),
    Feature("connections", "connections", "network connections"),
    Feature("connections_listen", "connections", "listening sockets"),
    Feature("process_name_entropy", "bits", "entropy of process names"),
    Feature("process_name_diversity_ratio", "ratio", "distinct process names / processes"),
    Feature("context_switches", "switches", "context switches in the interval"),
    Feature("uptime_seconds", "seconds", "time since the machine started"),
)
"""The 47 base metrics, by the names that a host's events carry."""

BASE_INDEX = {feature.name: i for i, feature in enumerate(BASE)}

ROLLED = (
    "cpu_ratio",
    "memory_used_ratio",
    "disk_busy_ratio",
    "load_1",
    "network_receive_bytes",
    "network_transmit_bytes",
    "process_count",
    "connections",
)
"""The base metrics whose statistics are features as well."""

PICKED = tuple(f for f in STATISTICS if f.name and not f.name.endswith("_1h"))
ROLLED_STATISTICS = (*PICKED, *LASTING)

RATIOS = (
    Feature("network_receive_bytes__per_packet", "bytes", "network_receive_bytes / network_receive_packets"),
    Feature("network_transmit_bytes__per_packet", "bytes", "network_transmit_bytes / network_transmit_packets"),
    Feature(
        "network_receive_bytes__share",
        "ratio",
        "network_receive_bytes / (network_receive_bytes + network_transmit_bytes)",
    ),
    Feature("disk_read_bytes__share", "ratio", "disk_read_bytes / (disk_read_bytes + disk_write_bytes)"),
    Feature("cpu_ratio__share", "ratio", "cpu_ratio / (cpu_ratio + memory_used_ratio)"),
    Feature("cpu_core_max_ratio__excess", "ratio", "cpu_core_max_ratio / cpu_ratio"),
    Feature("load_1__trend", "ratio", "load_1 / load_15"),
    Feature("thread_count__per_process", "threads", "thread_count / process_count"),
    Feature("open_files__per_process", "files", "open_files / process_count"),
    Feature("connections__per_process", "connections", "connections / process_count"),
    Feature("memory_used_bytes__per_process", "bytes", "memory_used_bytes / process_count"),
    Feature("process_new__churn", "ratio", "(process_new + process_ended) / process_count"),
)
"""Ratios between base metrics; NaN where one is missing or the divisor is 0."""

HOST = FeatureSet(
    "host",
    3,
    (
        *BASE,
        *(Feature(f"{name}__{f.name}", f.unit, f.formula) for name in ROLLED for f in ROLLED_STATISTICS),
        *RATIOS,
        *COMMON,
    ),
)

HOST_WIDTH = len(HOST.features)

_ROLLED = np.array([BASE_INDEX[name] for name in ROLLED])
_PICKED = np.array([INDEX[f.name] for f in PICKED])
_MEAN_1H, _STD_1H = INDEX["mean_1h"], INDEX["std_1h"]


def _column(text: str) -> tuple[int, int]:
    parts = [BASE_INDEX[name.strip(" ()")] for name in text.split("+")]
    return parts[0], parts[1] if len(parts) > 1 else -1


_TERMS = np.array([[_column(side) for side in ratio.formula.split(" / ")] for ratio in RATIOS])
"""(ratio, numerator or divisor, first or second summand): base metric, -1 for none. Read from the formulas."""


@njit(cache=True)
def _sum(out: NDArray[np.float64], at: int, terms: NDArray[np.int64]) -> float:
    total = out[at + terms[0]]
    if terms[1] >= 0:
        total += out[at + terms[1]]
    return float(total)


@njit(cache=True)
def write_host(h: History, e: int, out: NDArray[np.float64], at: int) -> int:
    """Write the vector of the newest sample of `e` to out[at:]; its series are those of `BASE`, in that order."""
    start, newest = at, h.held[e] - 1
    for i in range(h.width[e]):
        out[at + i] = h.value[h.first[e] + i, newest]
    at += h.width[e]
    statistics, scratch = np.empty(WIDTH), np.empty(RING)
    for i in _ROLLED:
        write_series(h, e, h.first[e] + i, scratch, statistics, 0)
        for j in _PICKED:
            out[at] = statistics[j]
            at += 1
        hour = statistics[_MEAN_1H], statistics[_STD_1H]
        at = write_lasting(h, e, h.first[e] + i, hour[0], hour[1], scratch, out, at)
    for r in range(len(_TERMS)):
        divisor = _sum(out, start, _TERMS[r, 1])
        ratio = _sum(out, start, _TERMS[r, 0]) / divisor if divisor != 0.0 else math.nan
        out[at] = ratio if math.isfinite(ratio) else math.nan
        at += 1
    return write_common(h, e, out, at)
