"""All processes of this moment: by one read each where there is a /proc, by psutil elsewhere.

psutil opens three files a process and more for its sockets; of some hundred processes that is most of what an agent
costs.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from workers.sources.host.missing import Missing
from workers.sources.host.processes import Hidden, Identity, Process
from workers.sources.host.suspicion import Suspicion

_TICK = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_LONGEST = 4096  # bytes of a stat line: 52 numbers and a name of 15 characters

_UTIME, _STIME, _THREADS, _START, _RSS = 11, 12, 17, 19, 21  # fields of /proc/PID/stat behind the name
_SOME_UNREAD = "programs of some processes, which process_suspicious does not count"
_MOST_UNREAD = "process_suspicious"


class ProcessTable:
    """Reads the table; those that vanish meanwhile are left out. `proc` is where it lies."""

    def __init__(self, proc: Path, missing: Missing) -> None:
        self._proc = str(proc)
        self._missing = missing
        self._suspicion = Suspicion()
        self.programs_seen = True
        """Whether this user may see what at least half of the processes run."""
        self._has_files = (proc / "self" / "stat").exists() or (proc / "1" / "stat").exists()

    def read(self) -> dict[Identity, Process]:
        """Every process by its identity. Raises `Hidden` where this user sees only its own ones."""
        self._suspicion.begin()
        return self._from_files() if self._has_files else self._from_psutil()

    def _from_files(self) -> dict[Identity, Process]:
        found: dict[Identity, Process] = {}
        pids = [name for name in os.listdir(self._proc) if name.isdigit()]
        if "1" not in pids:
            raise Hidden("/proc hides the processes of others (hidepid): let the user into its group, or run as root")
        unread = 0
        for pid in pids:
            try:
                line = _read(f"{self._proc}/{pid}/stat")
            except PermissionError as error:
                raise Hidden("/proc/PID/stat of other users' processes may not be read (hidepid)") from error
            except OSError:
                continue  # it has ended
            opens, closes = line.find(b"("), line.rfind(b")")
            rest = line[closes + 2 :].split()
            if len(rest) <= _RSS:
                continue
            name = line[opens + 1 : closes].decode(errors="replace")
            identity = (int(pid), float(rest[_START]))
            try:
                suspicious = self._suspicion.of(identity, name, lambda pid=pid: self._program(pid))  # type: ignore[misc]
            except PermissionError:
                suspicious, unread = False, unread + 1
            found[identity] = Process(
                name,
                (int(rest[_UTIME]) + int(rest[_STIME])) * _TICK,
                int(rest[_RSS]) * _PAGE,
                int(rest[_THREADS]),
                suspicious,
            )
        self.programs_seen = 2 * unread <= len(found)
        if unread:
            what = _SOME_UNREAD if self.programs_seen else _MOST_UNREAD
            self._missing.note(what, f"{unread} of {len(found)} are not for this user: that takes CAP_SYS_PTRACE")
        return found

    def _program(self, pid: str) -> str:
        """The path of a process's program; "" for the kernel's own threads. Raises PermissionError."""
        try:
            return os.readlink(f"{self._proc}/{pid}/exe")
        except PermissionError:
            raise
        except OSError:
            return ""

    def _from_psutil(self) -> dict[Identity, Process]:
        found: dict[Identity, Process] = {}
        for process in psutil.process_iter():
            try:
                with process.oneshot():
                    identity = (process.pid, process.create_time())
                    name, times = process.name(), process.cpu_times()
                    found[identity] = Process(
                        name,
                        times.user + times.system,
                        process.memory_info().rss,
                        process.num_threads(),
                        self._suspicion.of(identity, name, lambda process=process: _program_of(process)),  # type: ignore[misc]
                    )
            except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
                continue
        return found


def _read(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, _LONGEST)
    finally:
        os.close(file)


def _program_of(process: psutil.Process) -> str:
    try:
        return process.exe()
    except (psutil.AccessDenied, psutil.ZombieProcess, OSError):
        return ""  # may not be asked: not held against it
