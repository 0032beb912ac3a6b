"""Transactional ids: stable for a worker that was killed and restarted, unique among those alive."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from workers.runtime.errors import Fatal

_MOST = 1_000


class Slot:
    """The first slot of this host whose lock nobody holds. The lock goes with the process, however it ends."""

    def __init__(self, namespace: str, worker: str, folder: Path | None = None) -> None:
        """`folder` must be shared by all workers of the host; the default is the system's temporary folder."""
        place = folder or Path(tempfile.gettempdir()) / "faultline"
        place.mkdir(parents=True, exist_ok=True)
        for number in range(_MOST):
            lock = FileLock(place / f"{namespace}{worker}.{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            self._lock, self.number = lock, number
            self.transactional_id = f"{namespace}faultline-{worker}-{socket.gethostname()}-{number}"
            return
        raise Fatal(f"all {_MOST} slots of this host are taken", f"Are there stale processes? Locks lie in {place}")

    def release(self) -> None:
        self._lock.release()
