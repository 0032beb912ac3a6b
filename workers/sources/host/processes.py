"""What can be said of all processes at once: how many, which came and went, the busiest, how varied their names are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TOP = 5
"""How many of the busiest processes count as the top."""

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


class Hidden(PermissionError):
    """This user may not see other users' processes; what could be counted would be its own ones only."""


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
