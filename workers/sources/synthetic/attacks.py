"""Simulated attacks: what each does to a machine's base metrics, laid over samples that are quiet otherwise.

Strength s runs from 0.6 to 1.0; every effect below is of one sample, the ranges are those of the two ends. Noise of a
tenth lies on all of it. Nothing outside an attack is touched, except load averages, which remember, and totals.
Techniques are those of MITRE ATT&CK (Enterprise); `slow_leak` is a fault and no attack, and has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float64]  # (hosts, samples)
Values = dict[str, Grid]

_KIB, _MIB = 1024.0, 1024.0**2


@dataclass(frozen=True, slots=True)
class Strike:
    """One attack's part of a block: how strong (0: not there), how far it has come (up to 1), whether it begins."""

    strength: Grid
    progress: Grid
    onset: Grid
    seconds: float
    noise: Grid  # around 1


Effect = Callable[[Values, Values, Strike], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack by name. `effect` changes levels and increases of a block in place."""

    technique: str
    effect: Effect


def _cpu_burn(levels: Values, grown: Values, at: Strike) -> None:
    """A coin miner: 60 to 100 % of what the cores had left, few processes, a program in /tmp when strong (Kinsing)."""
    _burn(levels, 0.99 * at.strength, user=0.97)
    _join(levels, at, processes=2, threads=8, suspicious=1)
    levels["load_1"] += 5 * at.strength * at.noise
    levels["connections"] += np.rint(1 * (at.strength > 0))
    grown["context_switches"] *= 1 + 0.3 * at.strength


def _fork_storm(levels: Values, grown: Values, at: Strike) -> None:
    """Processes that start processes: 150 to 800 more at a time, all of one name, most of them new at each sample."""
    storm = np.rint(np.where(at.strength > 0, 150 + 1600 * (at.strength - 0.6), 0) * at.noise)
    share = storm / (levels["process_count"] + storm)
    levels["process_count"] += storm
    levels["thread_count"] += storm
    levels["process_new"] += np.rint(0.9 * storm)
    levels["process_ended"] += np.rint(0.9 * storm * (1 - at.onset))
    levels["open_files"] += 3 * storm
    levels["process_name_entropy"] *= 1 - 0.8 * share
    levels["process_name_diversity_ratio"] *= 1 - share
    levels["load_1"] += 0.05 * storm
    _burn(levels, 0.6 * at.strength, user=0.25)
    _occupy(levels, 0.0001 * storm)
    grown["context_switches"] += 40 * storm * at.seconds


def _log_flood(levels: Values, grown: Values, at: Strike) -> None:
    """Log lines until the disk is full: 5 to 15 MB/s written and synced, the file system fuller by up to 15 %."""
    written = at.strength * 15 * _MIB * at.noise * at.seconds
    grown["disk_write_bytes"] += written
    grown["disk_writes"] += written / (16 * _KIB)
    levels["disk_used_ratio"] = np.clip(levels["disk_used_ratio"] + 0.15 * at.strength * at.progress, 0, 1)
    _work_disk(levels, 0.5 * at.strength)
    _burn(levels, 0.15 * at.strength, user=0.6)


def _port_scan(levels: Values, grown: Values, at: Strike) -> None:
    """SYN packets of 60 bytes, 600 to 3,000 a second, two thirds answered; 200 to 1,000 half-open connections."""
    sent = np.where(at.strength > 0, 600 + 6000 * (at.strength - 0.6), 0) * at.noise * at.seconds
    grown["network_transmit_packets"] += sent
    grown["network_transmit_bytes"] += 60 * sent
    grown["network_receive_packets"] += 0.66 * sent
    grown["network_receive_bytes"] += 0.66 * 54 * sent
    grown["network_receive_drops"] += 0.001 * sent
    levels["connections"] += np.rint(np.where(at.strength > 0, 200 + 2000 * (at.strength - 0.6), 0) * at.noise)
    _burn(levels, 0.05 * at.strength, user=0.3)
    _join(levels, at, processes=1, threads=4, suspicious=0)


def _exfiltration(levels: Values, grown: Values, at: Strike) -> None:
    """Data sent out: 4 to 20 MB/s in full packets, acknowledged by half as many, read from disk before."""
    sent = np.where(at.strength > 0, 4 + 40 * (at.strength - 0.6), 0) * _MIB * at.noise * at.seconds
    grown["network_transmit_bytes"] += sent
    grown["network_transmit_packets"] += sent / 1400
    grown["network_receive_packets"] += sent / 2800
    grown["network_receive_bytes"] += 54 * sent / 2800
    grown["disk_read_bytes"] += 0.9 * sent
    grown["disk_reads"] += 0.9 * sent / (128 * _KIB)
    levels["connections"] += np.rint(3 * (at.strength > 0))
    _work_disk(levels, 0.1 * at.strength)
    _burn(levels, 0.15 * at.strength, user=0.7)
    _join(levels, at, processes=1, threads=2, suspicious=0)


def _ransomware(levels: Values, grown: Values, at: Strike) -> None:
    """Files read, encrypted, written anew: 24 to 40 MB/s each way in files of 256 KiB; disks and a core busy."""
    bytes_ = 40 * _MIB * at.strength * at.noise * at.seconds
    for way in ("read", "write"):
        grown[f"disk_{way}_bytes"] += bytes_
        grown[f"disk_{way}s"] += bytes_ / (128 * _KIB)
    _work_disk(levels, 0.85 * at.strength)
    levels["cpu_iowait_ratio"] = np.clip(levels["cpu_iowait_ratio"] + 0.12 * at.strength, 0, 0.9)
    levels["open_files"] += np.rint(60 * at.strength * at.noise)
    levels["load_1"] += 2 * at.strength * at.noise
    _burn(levels, 0.3 * at.strength, user=0.7)
    _join(levels, at, processes=3, threads=10, suspicious=1)


def _slow_leak(levels: Values, grown: Values, at: Strike) -> None:
    """One process grows from nothing to 60 to 100 % of the free memory, evenly; swap fills from four fifths on."""
    taken = at.strength * at.progress
    _occupy(levels, taken * (0.97 - levels["memory_used_ratio"]))
    swap = np.clip(
        levels["swap_used_ratio"] + 2.0 * np.clip(levels["memory_used_ratio"] - 0.8, 0, 1) * (taken > 0), 0, 1
    )
    levels["swap_used_bytes"] = np.rint(levels["swap_used_bytes"] * swap / levels["swap_used_ratio"].clip(1e-9))
    levels["swap_used_ratio"] = swap


ATTACKS: Mapping[str, Attack] = {
    "cpu_burn": Attack("T1496.001", _cpu_burn),
    "fork_storm": Attack("T1499.001", _fork_storm),
    "log_flood": Attack("T1499", _log_flood),
    "port_scan": Attack("T1046", _port_scan),
    "exfiltration": Attack("T1041", _exfiltration),
    "ransomware": Attack("T1486", _ransomware),
    "slow_leak": Attack("", _slow_leak),
}
"""Every attack there is, in the order in which they are told."""
_IN_LOGS = ("log_flood",)


def shown_by(profile: str) -> tuple[str, ...]:
    """The attacks that telemetry of a profile shows."""
    return {"host": tuple(ATTACKS), "log": _IN_LOGS}.get(profile, ())


_STREAM = 6  # the seed's stream for the noise of attacks


def strike(
    levels: Values, grown: Values, at: Mapping[str, Grid], progress: Grid, onset: Grid, seconds: float, seed: list[int]
) -> None:
    """Lay attacks over a block of samples, in place. `at` holds each attack's strength, all (hosts, samples)."""
    rng = np.random.default_rng([seed[0], _STREAM, *seed[1:]])
    for name, strength in at.items():
        noise = np.exp(0.1 * rng.standard_normal(strength.shape))
        if strength.any():
            ATTACKS[name].effect(levels, grown, Strike(strength, progress, onset, seconds, noise))


def strengths(
    kinds: tuple[str, ...], kind: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """How strong each episode is, in the column of its attack; 0 in the others."""
    strength = rng.uniform(0.6, 1.0, len(kind))
    return {name: np.where(kind == number, strength, 0.0) for number, name in enumerate(kinds)}


def flood_of_lines(kind: NDArray[np.int64], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """`log_flood` as log lines show it: 10 to 50 times as many, 15 to 25 % of them errors."""
    count = len(kind)
    return {
        "error_rate": rng.uniform(0.15, 0.25, count),
        "latency": np.ones(count),
        "traffic": rng.uniform(10, 50, count),
    }


def _burn(levels: Values, share: Grid, user: float) -> None:
    """Take a share of what each core has left; `user` of it in user code."""
    names = [name for name in levels if name.startswith("cpu_core_") and name[9].isdigit()]
    before = levels["cpu_ratio"]
    cores = np.stack([levels[name] for name in names], axis=-1)
    cores = cores + share[..., None] * (1 - cores)
    mean: Grid = cores.mean(-1)
    taken = mean - before
    levels |= {name: cores[..., number] for number, name in enumerate(names)}
    levels |= {"cpu_ratio": mean, "cpu_core_max_ratio": cores.max(-1), "cpu_core_std_ratio": cores.std(-1)}
    levels["cpu_user_ratio"] = np.clip(levels["cpu_user_ratio"] + user * taken, 0, 1)
    levels["cpu_system_ratio"] = np.clip(levels["cpu_system_ratio"] + (1 - user) * taken, 0, 1)
    levels["cpu_iowait_ratio"] = np.minimum(levels["cpu_iowait_ratio"], 1 - mean)
    levels["process_top5_cpu_ratio"] = np.clip(levels["process_top5_cpu_ratio"] + 0.95 * taken, 0, 1)


def _work_disk(levels: Values, share: Grid) -> None:
    """Keep the disk busy for a share of the time that it was idle."""
    levels["disk_busy_ratio"] = levels["disk_busy_ratio"] + share * (0.99 - levels["disk_busy_ratio"])


def _occupy(levels: Values, share: Grid) -> None:
    """Take a share of the machine's memory, for one process or many."""
    total = levels["memory_total_bytes"]
    used = np.minimum(levels["memory_used_ratio"] + share, 0.99)
    grown = used - levels["memory_used_ratio"]
    levels |= {
        "memory_used_ratio": used,
        "memory_used_bytes": np.rint(used * total),
        "memory_free_bytes": total - np.rint(used * total),
        "process_top5_memory_ratio": np.clip(levels["process_top5_memory_ratio"] + grown, 0, 1),
    }


def _join(levels: Values, at: Strike, processes: int, threads: int, suspicious: int) -> None:
    """Some processes are there for as long as the attack lasts; strong ones run from a temporary folder."""
    there = at.strength > 0
    levels["process_count"] += processes * there
    levels["thread_count"] += threads * there
    levels["process_new"] += processes * at.onset
    levels["process_suspicious"] += suspicious * (at.strength > 0.8)
