"""Where the kernel's files lie: this machine's own, or the host's, mounted into a container."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """`proc` and `sys` are the kernel's file systems, `root` the file system whose filling is told."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    root: Path = Path("/")

    @property
    def mounted(self) -> bool:
        """Whether another machine's view is read: the host's, from inside a container."""
        return self.proc != Path("/proc")

    @property
    def net(self) -> Path:
        """The network of the machine: /proc/net is that of whoever reads it, the host's is that of its process 1."""
        return self.proc / "1" / "net" if self.mounted else self.proc / "net"
