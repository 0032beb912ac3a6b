"""CPU time of cores, and what share of it was used between two readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

CORES = 4
"""Cores that are told one by one; all of them count in the average, the maximum and the spread."""

_IDLE, _IOWAIT, _USER, _SYSTEM = ("idle", "iowait"), ("iowait",), ("user", "nice"), ("system", "irq", "softirq")
_TWICE = ("guest", "guest_nice")  # already in user and nice


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU seconds of each core so far, (cores, states), and the states' names."""

    seconds: NDArray[np.float64]
    states: tuple[str, ...]

    def of(self, states: Sequence[str]) -> NDArray[np.float64]:
        """Seconds of each core in any of these states."""
        columns = [at for at, state in enumerate(self.states) if state in states]
        summed: NDArray[np.float64] = self.seconds[:, columns].sum(axis=1)
        return summed


def read_cpu() -> CpuReading:
    """All cores as they are now."""
    cores = psutil.cpu_times(percpu=True)
    return CpuReading(np.array(cores, np.float64), cores[0]._fields)


def cpu_shares(before: CpuReading, now: CpuReading) -> dict[str, float]:
    """Shares of the time between two readings: of all cores, of the first ones, and of states.

    Nothing while the number of cores changes, nor where no time has passed. Times that fell back (a virtual machine
    that moved) count as none.
    """
    if now.seconds.shape != before.seconds.shape:
        return {}
    passed = CpuReading(np.maximum(now.seconds - before.seconds, 0.0), now.states)
    every = passed.of([state for state in now.states if state not in _TWICE])
    if not every.sum() > 0:
        return {}
    counted = np.maximum(every, 1e-9)
    cores = np.clip(1 - passed.of(_IDLE) / counted, 0, 1)
    shares = {
        "cpu_ratio": float(cores.mean()),
        "cpu_core_max_ratio": float(cores.max()),
        "cpu_core_std_ratio": float(cores.std()),
        **{f"cpu_core_{number}_ratio": float(share) for number, share in enumerate(cores[:CORES])},
        "cpu_user_ratio": float(passed.of(_USER).sum() / every.sum()),
        "cpu_system_ratio": float(passed.of(_SYSTEM).sum() / every.sum()),
    }
    if "iowait" in now.states:
        shares["cpu_iowait_ratio"] = float(passed.of(_IOWAIT).sum() / every.sum())
    return shares
