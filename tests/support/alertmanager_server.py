"""A real Alertmanager that tests may stop, kill and ask."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.process import Daemon, Missing, free_port

_CONFIG = """route:
  receiver: nobody
  group_wait: 1s
receivers:
  - name: nobody
"""


def binary() -> str:
    """`prometheus-alertmanager` (as Debian calls it) or `alertmanager` on the path, or `Missing`."""
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found:
        return found
    raise Missing(
        "no Alertmanager on the path. Install: apt-get install -y --no-install-recommends prometheus-alertmanager"
    )


class AlertmanagerServer:
    """One of its own, without a cluster. Port and data outlive a restart."""

    def __init__(self) -> None:
        self._binary, self.port = binary(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = Path(tempfile.mkdtemp(prefix="faultline-alertmanager-"))
        (self.home / "config.yml").write_text(_CONFIG)
        self._daemon: Daemon | None = None

    def start(self) -> None:
        argv = [
            self._binary,
            f"--config.file={self.home / 'config.yml'}",
            f"--storage.path={self.home}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        self._daemon = Daemon(argv, self.home / "server.log")
        self._daemon.wait_ready(self.answers, timeout=30)

    def stop(self) -> None:
        assert self._daemon is not None
        self._daemon.stop()

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire now, as its API lists them."""
        with urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)
