"""What can be said of all processes at once: how many, which came and went, the busiest, how varied their names are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

TOP = 5
"""How many of the busiest processes count as the top."""
TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108  (looked for, not written to)
"""Folders anyone may write to: a program that runs from one, or was deleted while running, is called suspicious."""

Identity = tuple[int, float]
"""Process id and creation time: an id alone is used again."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process as of one sample. `cpu_seconds` is its total so far; `memory_bytes` is resident."""

    name: str
    cpu_seconds: float
    memory_bytes: int
    threads: int
    suspicious: bool


def entropy(names: Iterable[str]) -> float:
    """Shannon entropy of the process names in bits: 0 when all are alike, log2(n) when all n differ."""
    counts = Counter(names)
    total = sum(counts.values())
    return sum(count / total * math.log2(total / count) for count in counts.values()) if total else 0.0


def diversity(names: Iterable[str]) -> float:
    """Distinct names among the processes, as a share: 1 when all differ."""
    counts = Counter(names)
    total = sum(counts.values())
    return len(counts) / total if total else 0.0


class Processes:
    """Reads all processes that may be read; remembers where each program lies, because that is costly to ask."""

    def __init__(self) -> None:
        self._suspicious: dict[Identity, bool] = {}

    def read(self) -> dict[Identity, Process]:
        """Every process that still lives; those that vanish meanwhile or may not be read are left out."""
        found: dict[Identity, Process] = {}
        for process in psutil.process_iter():
            try:
                with process.oneshot():
                    identity = (process.pid, process.create_time())
                    times = process.cpu_times()
                    found[identity] = Process(
                        process.name(),
                        times.user + times.system,
                        process.memory_info().rss,
                        process.num_threads(),
                        self._is_suspicious(identity, process),
                    )
            except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
                continue
        self._suspicious = {identity: known for identity, known in self._suspicious.items() if identity in found}
        return found

    def _is_suspicious(self, identity: Identity, process: psutil.Process) -> bool:
        if identity not in self._suspicious:
            try:
                path = process.exe()
            except (psutil.AccessDenied, psutil.ZombieProcess, OSError):
                path = ""  # may not be asked: not held against it
            self._suspicious[identity] = path.startswith(TEMPORARY) or path.endswith(" (deleted)")
        return self._suspicious[identity]


def busiest_share(now: Mapping[Identity, Process], before: Mapping[Identity, Process], seconds: float) -> float:
    """CPU time of the `TOP` busiest processes since the sample before, in cores (1.0: one core all the time)."""
    used = sorted(
        (process.cpu_seconds - before[identity].cpu_seconds for identity, process in now.items() if identity in before),
        reverse=True,
    )
    return max(0.0, sum(used[:TOP])) / seconds


def largest_memory(now: Mapping[Identity, Process]) -> int:
    """Resident bytes of the `TOP` largest processes."""
    return sum(sorted((process.memory_bytes for process in now.values()), reverse=True)[:TOP])
