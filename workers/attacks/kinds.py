"""What each exercise may be asked for, what it will do in words, and where it stops by itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

LONGEST = 3600.0
"""Seconds."""
MIB = 1 << 20


class OutOfBounds(ValueError):
    """What was asked for could hurt the machine, or makes no sense; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One number that can be chosen: its default, its bounds, and what it means."""

    default: float
    least: float
    most: Callable[[], float]
    help: str


@dataclass(frozen=True, slots=True)
class Kind:
    """An exercise. `says` is a sentence with the knobs' names in braces; `technique` is of MITRE ATT&CK."""

    technique: str
    says: str
    shows: str
    knobs: Mapping[str, Knob] = field(default_factory=dict)


def _cores() -> float:
    return float(os.cpu_count() or 1)


def _processes() -> float:
    """A quarter of the processes that this user may have, and no more than 1,000."""
    try:
        import resource
    except ImportError:
        return 1000.0
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return 1000.0 if soft == resource.RLIM_INFINITY else max(1.0, min(1000.0, soft / 4))


def _free_disk() -> float:
    """A tenth of what is free in the temporary folder, and no more than 2 GiB, in MiB."""
    return min(2048.0, shutil.disk_usage(tempfile.gettempdir()).free / 10 / MIB)


def _free_memory() -> float:
    """Half of the memory that can be had without swapping, in MiB; 512 where nobody tells."""
    try:
        with open("/proc/meminfo") as file:
            told = {line.split(":")[0]: line.split()[1] for line in file}
        return int(told["MemAvailable"]) / 1024 / 2
    except (OSError, KeyError, ValueError):
        return 512.0


def _sockets() -> float:
    """Half of the files that this process may open, and no more than 1,000."""
    try:
        import resource
    except ImportError:
        return 200.0
    return min(1000.0, resource.getrlimit(resource.RLIMIT_NOFILE)[0] / 2)


KINDS: Mapping[str, Kind] = {
    "cpu": Kind(
        "T1496.001",
        "keep {cores} cores busy, at nice 10",
        "cpu_ratio, load_1, process_top5_cpu_ratio",
        {"cores": Knob(0, 0, _cores, "Cores to keep busy; 0: all.")},
    ),
    "fork": Kind(
        "T1499.001",
        "start {rate} processes a second that sleep for a second or two, never more than {alive} at a time",
        "process_count, process_new, process_name_entropy",
        {
            "alive": Knob(200, 1, _processes, "Most processes at a time."),
            "rate": Knob(150, 1, lambda: 1000.0, "Processes started a second."),
        },
    ),
    "files": Kind(
        "T1486",
        "write {megabytes} MB of files into a new temporary folder, then read, scramble and rewrite them, {rate} MB a "
        "second each way; no file of yours is touched",
        "disk_write_bytes, disk_busy_ratio, cpu_ratio",
        {
            "megabytes": Knob(64, 1, _free_disk, "Size of all files together, in MB."),
            "rate": Knob(50, 1, lambda: 500.0, "MB a second, read and written."),
        },
    ),
    "leak": Kind(
        "",
        "take {megabytes} MB of memory, little by little until four fifths of the time are over",
        "memory_used_ratio, process_top5_memory_ratio",
        {"megabytes": Knob(512, 1, _free_memory, "Memory in the end, in MB.")},
    ),
    "logs": Kind(
        "T1499",
        "write {rate} log lines a second to a file in a new temporary folder, begun anew at {megabytes} MB",
        "disk_write_bytes, disk_writes, disk_busy_ratio",
        {
            "rate": Knob(50_000, 1, lambda: 500_000.0, "Lines a second, of 120 bytes."),
            "megabytes": Knob(256, 1, _free_disk, "Largest size of the file, in MB."),
        },
    ),
    "ports": Kind(
        "T1046",
        "try {rate} ports a second of 127.0.0.1, with up to {connections} connections that nobody answers; no other "
        "address is asked",
        "connections (and with `source host --loopback` in network packets)",
        {
            "rate": Knob(500, 1, lambda: 5000.0, "Ports tried a second."),
            "connections": Knob(400, 1, _sockets, "Most open connections at a time."),
        },
    ),
    "exfil": Kind(
        "T1041",
        "send {rate} MB a second from a file in a new temporary folder to a listener of its own at 127.0.0.1; nothing "
        "leaves the machine",
        "network_transmit_bytes (with `source host --loopback`)",
        {"rate": Knob(20, 1, lambda: 500.0, "MB a second.")},
    ),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One exercise as it was asked for, within bounds. Raises `OutOfBounds`."""

    kind: str
    seconds: float
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= LONGEST:
            raise OutOfBounds(f"--seconds is between 1 and {LONGEST:.0f}")
        for name, knob in KINDS[self.kind].knobs.items():
            most = knob.most()
            if not knob.least <= self.values[name] <= most:
                raise OutOfBounds(f"--{name} is between {knob.least:,.0f} and {most:,.0f} on this machine")

    @property
    def says(self) -> str:
        """What will happen, for people to agree to."""
        values = {name: f"{value:,.0f}" for name, value in self.values.items()}
        if self.kind == "cpu" and not self.values["cores"]:
            values["cores"] = f"all {_cores():.0f}"
        return f"For {self.seconds:,.0f} s this will {KINDS[self.kind].says.format(**values)}."
