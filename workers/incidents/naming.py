"""What the name of a metric says: its family (for fingerprints), its unit, and how people call it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from models.logs.names import read_name
from workers.units import CHANGE, COUNT, PLAIN, RATE, RATIO, UNITS, Unit

_SPLIT = re.compile(r"[^0-9A-Za-z]+")
_QUANTILE = re.compile(r"p\d{1,3}")
_WINDOW = re.compile(r"(\d+)(s|m|min|h|d)")
_STATISTICS = {
    "mean": "mean",
    "avg": "mean",
    "average": "mean",
    "median": "median",
    "max": "maximum",
    "maximum": "maximum",
    "min": "minimum",
    "minimum": "minimum",
    "std": "spread of",
    "stddev": "spread of",
    "last": "",
    "value": "",
}
_WINDOW_UNITS = {"s": "s", "m": "min", "min": "min", "h": "h", "d": "days"}

_FAMILIES = (
    # The first family of which a word is found wins: a network's errors are the network's, a request's latency latency.
    ("swap", {"swap"}),
    ("memory", {"mem", "memory", "rss", "heap"}),
    ("cpu", {"cpu"}),
    ("disk", {"disk", "disks", "filesystem", "fs", "io", "iops", "inodes"}),
    ("network", {"net", "network", "packets", "tcp", "udp", "ifinoctets", "ifoutoctets"}),
    ("load", {"load", "load1", "load5", "load15"}),
    ("processes", {"process", "processes", "proc", "procs", "threads"}),
    ("latency", {"latency", "duration", "elapsed", "response"}),
    ("errors", {"error", "errors", "failure", "failures", "failed", "fatal", "5xx"}),
    ("warnings", {"warning", "warnings", "warn"}),
    ("paths", {"path", "paths"}),
    ("traffic", {"event", "events", "request", "requests", "traffic", "throughput", "rps", "qps", "hits", "calls"}),
)
_NOUNS = {
    "swap": "swap use",
    "memory": "memory use",
    "cpu": "CPU use",
    "disk": "disk use",
    "network": "network traffic",
}
_WORDS = {
    "cpu": "CPU",
    "io": "I/O",
    "http": "HTTP",
    "tcp": "TCP",
    "udp": "UDP",
    "rss": "RSS",
    "fs": "file system",
    "mem": "memory",
    "net": "network",
    "rps": "requests",
    "qps": "queries",
}
_KNOWN = {
    "events_count": ("number of events", COUNT),
    "event_count": ("number of events", COUNT),
    "error_count": ("number of errors", COUNT),
    "errors_ratio": ("error rate", RATIO),
    "error_ratio": ("error rate", RATIO),
    "error_rate": ("error rate", RATIO),
    "warnings_ratio": ("share of warnings", RATIO),
    "warning_ratio": ("share of warnings", RATIO),
    "paths_count": ("number of distinct paths", COUNT),
    "events_change_ratio": ("change of traffic", CHANGE),
    "latency_change_ratio": ("change of latency", CHANGE),
    "events_z": ("z-score of traffic", PLAIN),
    "errors_z": ("z-score of the error rate", PLAIN),
    "latency_z": ("z-score of latency", PLAIN),
    "cpu_core_max_ratio": ("CPU use of the busiest core", RATIO),
    "cpu_iowait_ratio": ("time waiting for disks", RATIO),
    "disk_busy_ratio": ("busy time of the disks", RATIO),
    "memory_free_bytes": ("free memory", UNITS["bytes"]),
    "process_count": ("number of processes", COUNT),
    "process_new": ("number of new processes", COUNT),
    "process_suspicious": ("number of suspicious processes", COUNT),
    "thread_count": ("number of threads", COUNT),
    "open_files": ("number of open files", COUNT),
    "connections": ("number of connections", COUNT),
    "load_1": ("load over 1 min", PLAIN),
    "load_5": ("load over 5 min", PLAIN),
    "load_15": ("load over 15 min", PLAIN),
}
_USE = frozenset({"used", "usage", "use", "utilization", "utilisation", *_NOUNS})


@dataclass(frozen=True, slots=True)
class Metric:
    """`family` groups names that mean the same trouble; `label` has no capital, article or unit."""

    family: str
    label: str
    unit: Unit
    plural: bool = False
    """Whether the label takes "are"."""


@lru_cache(maxsize=10_000)
def read_metric(name: str) -> Metric:
    """Take a name such as `latency_p99_ms`, `cpu_ratio_max_5m` or `cpu_ratio__mean_30` apart."""
    counted = read_name(name)
    if counted is not None:
        metric, _, window = counted
        over = f" over {call_window(window)}" if window else ""
        return Metric(metric, f"number of {metric}{over}", COUNT)
    base, _, derived = name.partition("__")
    if derived and base:
        return _derived(read_metric(base), derived)
    words = [word.lower() for word in _SPLIT.split(name) if word] or [name.lower()]
    words, window = _take_window(words)
    family = _family(words)
    known = _KNOWN.get("_".join(words))
    if known is not None:
        return Metric(family, known[0] + window, known[1])
    words, statistic = _take_statistic(words)
    words, unit = _take_unit(words, family)
    text = " ".join(_WORDS.get(word, word) for word in words)
    if family in _NOUNS and _USE.issuperset(words):
        text = _NOUNS[family]
    plural = not statistic and text.endswith("s") and not text.endswith(("ss", "us"))
    return Metric(family, f"{statistic} {text or name}".strip() + window, unit, plural)


def call_window(window: str) -> str:
    """A window in a sentence: `5 min` of `5m`."""
    found = _WINDOW.fullmatch(window)
    return f"{found[1]} {_WINDOW_UNITS[found[2]]}" if found is not None else window


def call_family(family: str) -> str:
    """A family in a sentence: `errors`, `CPU use`."""
    return _NOUNS.get(family, family.replace("_", " "))


def _derived(metric: Metric, how: str) -> Metric:
    """`<metric>__<statistic>` of a feature set: of the metric's family, and a plain number unless it is an average."""
    first, *rest = how.split("_")
    statistic = _STATISTICS.get(first)
    over = f" over {rest[0]} samples" if rest and rest[0].isdigit() else ""
    if statistic:
        return Metric(metric.family, f"{statistic} {metric.label}{over}", metric.unit)
    return Metric(metric.family, f"{how.replace('_', ' ')} of {metric.label}", PLAIN)


def _family(words: list[str]) -> str:
    for family, members in _FAMILIES:
        if not members.isdisjoint(words):
            return family
    rest = [w for w in words if w not in UNITS and w not in _STATISTICS and not _QUANTILE.fullmatch(w)]
    return "_".join(rest) or "_".join(words)


def _take_window(words: list[str]) -> tuple[list[str], str]:
    """`…_5m` is the same quantity over five minutes."""
    match = _WINDOW.fullmatch(words[-1]) if len(words) > 1 else None
    if match is None:
        return words, ""
    return words[:-1], f" over {match[1]} {_WINDOW_UNITS[match[2]]}"


def _take_statistic(words: list[str]) -> tuple[list[str], str]:
    for at, word in enumerate(words):
        if len(words) > 1 and (_QUANTILE.fullmatch(word) or word in _STATISTICS):
            return words[:at] + words[at + 1 :], _STATISTICS.get(word, word)
    return words, ""


def _take_unit(words: list[str], family: str) -> tuple[list[str], Unit]:
    for length in (3, 2, 1):
        unit = UNITS.get("_".join(words[-length:])) if len(words) > length else None
        if unit is not None:
            return words[:-length], unit
    if words[-1:] == ["rate"]:
        return words, RATIO if family in ("errors", "warnings") else RATE
    if family in ("traffic", "errors", "warnings", "processes", "paths"):
        return words, COUNT
    return words, PLAIN
