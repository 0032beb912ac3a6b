"""A real server that speaks HTTP, as a process of its own that tests may stop, start again, kill and ask."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.process import Daemon, Missing, free_port


def program(*names: str, package: str) -> str:
    """The first of these programs that is on the path, or `Missing` with the Debian package that has it."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise Missing(f"no {names[0]} on the path. Install: apt-get install -y --no-install-recommends {package}")
    return found


class HttpServer(ABC):
    """Port and data (below `home`) outlive a restart. `ready`: the path that answers 200 once it can be used."""

    ready: ClassVar[str]
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, kind: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = Path(tempfile.mkdtemp(prefix=f"faultline-{kind}-"))
        self._daemon: Daemon | None = None

    @abstractmethod
    def argv(self) -> list[str]:
        """The program and its arguments."""

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}{self.ready}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def start(self) -> None:
        self._daemon = Daemon(self.argv(), self.home / "server.log", self.environment)
        self._daemon.wait_ready(self.answers, timeout=120)

    def stop(self) -> None:
        self.process.stop()

    @property
    def process(self) -> Daemon:
        assert self._daemon is not None, "not started"
        return self._daemon

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)
