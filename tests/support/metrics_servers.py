"""A real VictoriaMetrics and a real Prometheus with history in them, that tests may stop, kill and ask."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.support.process import Daemon, Missing, free_port


@dataclass(frozen=True, slots=True)
class Sample:
    """One raw sample; `time` in epoch seconds."""

    name: str
    labels: str
    value: float
    time: int


def _program(*names: str, package: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise Missing(f"no {names[0]} on the path. Install: apt-get install -y --no-install-recommends {package}")
    return found


class _Server:
    """Port and data outlive a restart."""

    def __init__(self, kind: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = Path(tempfile.mkdtemp(prefix=f"faultline-{kind}-"))
        self._daemon: Daemon | None = None

    def argv(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/api/v1/query?query=1", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def start(self) -> None:
        self._daemon = Daemon(self.argv(), self.home / "server.log", {"GOMAXPROCS": "1", "GOGC": "50"})
        self._daemon.wait_ready(self.answers, timeout=60)

    def stop(self) -> None:
        assert self._daemon is not None
        self._daemon.stop()

    @property
    def process(self) -> Daemon:
        assert self._daemon is not None
        return self._daemon

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)


class VictoriaMetrics(_Server):
    """`victoria-metrics` of Debian. `options` are flags of its own."""

    def __init__(self, *options: str) -> None:
        super().__init__("victoriametrics")
        self._binary = _program("victoria-metrics", "victoria-metrics-prod", package="victoria-metrics")
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


class Prometheus(_Server):
    """`prometheus` of Debian, with the history that it is made with. It scrapes nothing."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        super().__init__("prometheus")
        self._binary = _program("prometheus", package="prometheus")
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
        promtool = _program("promtool", package="prometheus")
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics", str(history), str(self.home / "data")]
        subprocess.run(command, check=True, capture_output=True, text=True)
        history.unlink()
