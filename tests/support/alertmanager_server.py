"""A real Alertmanager that tests may stop, kill and ask."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

from tests.support.http_server import HttpServer, program

_CONFIG = """route:
  receiver: nobody
  group_wait: 1s
receivers:
  - name: nobody
"""


class AlertmanagerServer(HttpServer):
    """One of its own, without a cluster: `prometheus-alertmanager`, as Debian calls it, or `alertmanager`."""

    ready = "/-/ready"

    def __init__(self) -> None:
        super().__init__("alertmanager")
        self._binary = program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager")
        (self.home / "config.yml").write_text(_CONFIG)

    def argv(self) -> list[str]:
        return [
            self._binary,
            f"--config.file={self.home / 'config.yml'}",
            f"--storage.path={self.home}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def firing(self) -> list[dict[str, Any]]:
        """The alerts that fire now, as its API lists them."""
        with urlopen(f"{self.url}/api/v2/alerts?active=true", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found
