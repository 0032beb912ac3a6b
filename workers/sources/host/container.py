"""Limits of the container that this process runs in: what its CPU and memory are shares of.

The control group at the root of /sys/fs/cgroup is the container's own, seen from inside one; on a machine itself that
is the root group, which has no limits. So a limit found there is a container's, and one that systemd puts on this
agent's own service is not mistaken for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """CPU seconds that a container has used, in all and in user code and the kernel."""

    total: float
    user: float
    system: float

    def shares(self, before: CpuTimes, allowed: float) -> dict[str, float]:
        """What was used since the reading before, as shares of the CPU seconds allowed meanwhile."""
        used = {
            "cpu_ratio": self.total - before.total,
            "cpu_user_ratio": self.user - before.user,
            "cpu_system_ratio": self.system - before.system,
        }
        return {name: min(1.0, max(0.0, seconds / allowed)) for name, seconds in used.items()}


@dataclass(frozen=True, slots=True)
class Container:
    """A control group's files, of version 2 or 1. What cannot be read is None."""

    root: Path = ROOT

    @property
    def unified(self) -> bool:
        return (self.root / "cgroup.controllers").exists()

    def cores(self) -> float | None:
        """CPU cores that may be used; None without a limit."""
        if self.unified:
            quota, _, period = (_text(self.root / "cpu.max") or "max").partition(" ")
        else:
            quota = _text(self.root / "cpu" / "cpu.cfs_quota_us") or "-1"
            period = _text(self.root / "cpu" / "cpu.cfs_period_us") or ""
        if not quota.isdigit() or not period.isdigit():
            return None
        return int(quota) / int(period) or None

    def memory_limit(self, machine: int) -> int | None:
        """Bytes that may be used; None without a limit below the machine's own memory."""
        name = Path("memory.max") if self.unified else Path("memory") / "memory.limit_in_bytes"
        text = _text(self.root / name) or ""
        return int(text) if text.isdigit() and int(text) < machine else None

    def memory_used(self) -> int | None:
        """Bytes in use, without file pages that could go at once."""
        folder = self.root if self.unified else self.root / "memory"
        used = _text(folder / ("memory.current" if self.unified else "memory.usage_in_bytes"))
        idle = _table(folder / "memory.stat").get("inactive_file" if self.unified else "total_inactive_file", 0)
        return max(0, int(used) - idle) if used else None

    def swap(self) -> tuple[int, int] | None:
        """Bytes of swap in use and allowed; None where that is not limited (or of version 1)."""
        used, most = _text(self.root / "memory.swap.current"), _text(self.root / "memory.swap.max")
        return (int(used), int(most)) if used and most and most.isdigit() else None

    def cpu(self) -> CpuTimes | None:
        if self.unified:
            told = _table(self.root / "cpu.stat")
            keys, unit = ("usage_usec", "user_usec", "system_usec"), 1e-6
        else:
            usage = _text(self.root / "cpuacct" / "cpuacct.usage")
            parts = _table(self.root / "cpuacct" / "cpuacct.stat")
            told = {"usage": int(usage or -1), **{key: value * 10_000_000 for key, value in parts.items()}}
            keys, unit = ("usage", "user", "system"), 1e-9
        if told.get(keys[0], -1) < 0:
            return None
        total, user, system = (told.get(key, 0) * unit for key in keys)
        return CpuTimes(total, user, system)


def limited(machine_memory: int, root: Path = ROOT) -> Container | None:
    """The container around this process, if it is in one that has limits."""
    found = Container(root)
    return found if found.cores() is not None or found.memory_limit(machine_memory) is not None else None


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None


def _table(file: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    pairs = [line.split() for line in (_text(file) or "").splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
