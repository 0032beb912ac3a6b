"""Disks of a machine: whole ones, so that nothing is counted twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psutil

DISK_METRICS = ("disk_reads", "disk_writes", "disk_read_bytes", "disk_write_bytes")
_VIRTUAL = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")


def disks() -> tuple[dict[str, Sequence[float]], dict[str, float]]:
    """Of each physical disk its totals, in the order of `DISK_METRICS`, and how many ms it was busy since start.

    Where a machine has no disk of its own, as in some containers, both are empty. Elsewhere than on Linux and FreeBSD
    nobody tells how long a disk was busy.
    """
    found = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    physical = {name: disk for name, disk in found.items() if not name.startswith(_VIRTUAL)}
    whole = {name: disk for name, disk in physical.items() if not is_partition(name, physical)}
    totals: dict[str, Sequence[float]]
    totals = {name: (d.read_count, d.write_count, d.read_bytes, d.write_bytes) for name, d in whole.items()}
    return totals, {name: float(disk.busy_time) for name, disk in whole.items() if hasattr(disk, "busy_time")}


def is_partition(name: str, disks: Mapping[str, object]) -> bool:
    """sda1 of sda, nvme0n1p2 of nvme0n1."""
    stem = name.rstrip("0123456789")
    return stem != name and (stem in disks or (stem.endswith("p") and stem[:-1] in disks))


def busiest(now: Mapping[str, float], before: Mapping[str, float], seconds: float) -> float | None:
    """Share of the time in which the busiest disk worked; None without any disk known before.

    A total that has fallen began again at 0.
    """
    grown = [now[disk] - before[disk] if now[disk] >= before[disk] else now[disk] for disk in now if disk in before]
    return min(1.0, max(grown) / 1000 / seconds) if grown else None
