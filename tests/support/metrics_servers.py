"""A real VictoriaMetrics and a real Prometheus with history in them, that tests may stop, kill and ask."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.request import Request, urlopen

from tests.support.http_server import HttpServer, program


@dataclass(frozen=True, slots=True)
class Sample:
    """One raw sample; `time` in epoch seconds."""

    name: str
    labels: str
    value: float
    time: int


class _Metrics(HttpServer):
    ready = "/api/v1/query?query=1"
    environment: ClassVar[Mapping[str, str]] = {"GOMAXPROCS": "1", "GOGC": "50"}


class VictoriaMetrics(_Metrics):
    """`victoria-metrics` of Debian. `options` are flags of its own."""

    def __init__(self, *options: str) -> None:
        super().__init__("victoriametrics")
        self._binary = program("victoria-metrics", "victoria-metrics-prod", package="victoria-metrics")
        self._options = options

    def argv(self) -> list[str]:
        return [
            self._binary,
            f"-storageDataPath={self.home / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-memory.allowedBytes=64MB",
            "-retentionPeriod=100y",
            *self._options,
        ]

    def write(self, samples: Iterable[Sample]) -> None:
        """Import, and make what was imported visible to queries."""
        lines = [f"{one.name}{{{one.labels}}} {one.value} {one.time * 1000}" for one in samples]
        urlopen(Request(f"{self.url}/api/v1/import/prometheus", "\n".join(lines).encode())).close()
        urlopen(f"{self.url}/internal/force_flush").close()


class Prometheus(_Metrics):
    """`prometheus` of Debian, with the history that it is made with. It scrapes nothing."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        super().__init__("prometheus")
        self._binary = program("prometheus", package="prometheus")
        (self.home / "prometheus.yml").write_text("global:\n  scrape_interval: 1h\n")
        self._backfill(samples)

    def argv(self) -> list[str]:
        return [
            self._binary,
            f"--config.file={self.home / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.home / 'data'}",
            "--storage.tsdb.retention.time=50y",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def _backfill(self, samples: Iterable[Sample]) -> None:
        by_name: dict[str, list[str]] = {}
        for one in samples:
            by_name.setdefault(one.name, []).append(f"{one.name}{{{one.labels}}} {one.value} {one.time}")
        text = "".join(f"# TYPE {name} unknown\n" + "\n".join(lines) + "\n" for name, lines in by_name.items())
        history = self.home / "history.om"
        history.write_text(text + "# EOF\n")
        promtool = program("promtool", package="prometheus")
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(history), str(self.home / "data")]
        subprocess.run(command, check=True, capture_output=True, text=True)
        history.unlink()
