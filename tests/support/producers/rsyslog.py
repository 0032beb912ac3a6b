"""Debian's rsyslog, which takes syslog over TCP and relays it to Kafka by omkafka, in the template that it is given."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from tests.support.installation import eventually
from tests.support.process import Daemon, Missing, free_port

INSTALL = "apt-get install -y --no-install-recommends rsyslog rsyslog-kafka"

NEW = "RSYSLOG_SyslogProtocol23Format"
"""RFC 5424."""
OLD = "RSYSLOG_TraditionalForwardFormat"
"""RFC 3164."""
FORWARD = "RSYSLOG_ForwardFormat"
"""As RFC 3164, but with the time of RFC 3339: what rsyslog forwards by itself."""

_CONFIG = """global(workDirectory="{home}" localHostname="web-1")
module(load="impstats" interval="1" format="legacy" log.syslog="off" log.file="{home}/stats")
module(load="imptcp")
module(load="omkafka")
input(type="imptcp" address="127.0.0.1" port="{port}")
action(type="omkafka" name="kafka" template="{template}" topic="{topic}" broker=["{brokers}"] confParam=["linger.ms=5"])
"""


def binary() -> str:
    """The `rsyslogd` on the path (or where Debian has it), with omkafka, or `Missing`."""
    found = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if found and list(Path("/usr/lib").glob("*/rsyslog/omkafka.so")):
        return found
    raise Missing(f"no rsyslogd with its module omkafka. Install: {INSTALL}")


class Rsyslog:
    """One of its own, whose host is `web-1` where a line names none."""

    def __init__(self, bootstrap_servers: str, topic: str, template: str = NEW) -> None:
        self._binary = binary()
        self.home = Path(tempfile.mkdtemp(prefix="faultline-rsyslog-"))
        self._port = free_port()
        self._config = _CONFIG.format(
            home=self.home, port=self._port, template=template, topic=topic, brokers=bootstrap_servers
        )
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        config = self.home / "rsyslog.conf"
        config.write_text(self._config)
        argv = [self._binary, "-n", "-f", str(config), "-i", str(self.home / "pid")]
        self._daemon = Daemon(argv, self.home / "server.log")
        self._daemon.wait_ready(self._listens, timeout=30)
        return self

    def log(self, lines: Iterable[str]) -> int:
        """Log these lines, each as a sender on the network writes it (`<34>1 2026-03-01T12:00:00Z …`); how many."""
        number = 0
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as one:
            for line in lines:
                one.sendall(line.encode() + b"\n")
                number += 1
        return number

    def sent(self) -> int:
        """How many messages omkafka says it has handed to the broker; raises if it says that any failed."""
        stats = self.home / "stats"
        found = re.findall(
            r"submitted=(\d+) maxoutqsize=\d+ failures=(\d+)", stats.read_text() if stats.exists() else ""
        )
        submitted, failures = found[-1] if found else (0, 0)
        assert int(failures) == 0, found[-1]
        return int(submitted)

    def await_sent(self, number: int) -> None:
        eventually(lambda: self.sent() >= number, 60, f"{number} messages sent: {self.tail()}")

    def tail(self) -> str:
        return self._daemon.tail() if self._daemon is not None else ""

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self._port)) == 0
