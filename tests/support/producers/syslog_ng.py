"""Debian's syslog-ng, which takes syslog over TCP and sends it to Kafka in the template that it is given.

Its packages cannot be installed beside rsyslog's, so they are unpacked into a folder and run from there.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from tests.support.process import Daemon, Missing, free_port
from tests.support.producers.go_builds import run

JSON = "$(format-json --scope rfc5424 --exclude DATE --key ISODATE)"
"""As the vendor's pages show it for Kafka."""

_PACKAGES = ("syslog-ng-core", "syslog-ng-mod-rdkafka")

_CONFIG = """@version: 3.38
options {{ keep-hostname(yes); stats-freq(0); time-zone("+00:00"); }};
source s_new {{ network(ip("127.0.0.1") port({new}) flags(syslog-protocol)); }};
source s_old {{ network(ip("127.0.0.1") port({old})); }};
destination d_kafka {{
  kafka-c(bootstrap-servers("{brokers}") topic("{topic}") message("{template}") config("linger.ms" => "5"));
}};
log {{ source(s_new); source(s_old); destination(d_kafka); }};
"""


class SyslogNg:
    """One of its own."""

    def __init__(self, bootstrap_servers: str, topic: str, template: str = JSON) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Missing("no apt-get, by which syslog-ng is had")
        self.home = Path(tempfile.mkdtemp(prefix="faultline-syslog-ng-"))
        self.new, self.old = free_port(), free_port()
        self._config = _CONFIG.format(
            new=self.new, old=self.old, brokers=bootstrap_servers, topic=topic, template=template
        )
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        run("apt-get", "download", "--quiet", *_PACKAGES, cwd=self.home)
        root = self.home / "root"
        for package in self.home.glob("*.deb"):
            run("dpkg-deb", "-x", str(package), str(root), cwd=self.home)
        config = self.home / "syslog-ng.conf"
        config.write_text(self._config)
        library = root / "usr" / "lib" / "syslog-ng"
        argv = [str(root / "usr" / "sbin" / "syslog-ng"), "--foreground", "--no-caps", "--stderr"]
        argv += [f"--module-path={library / '3.38'}", f"--cfgfile={config}"]
        argv += [f"--{name}={self.home / name}" for name in ("persist-file", "pidfile", "control")]
        self._daemon = Daemon(argv, self.home / "server.log", {"LD_LIBRARY_PATH": str(library)})
        self._daemon.wait_ready(self._listens, timeout=30)
        return self

    def log(self, port: int, lines: Iterable[str]) -> None:
        """Log these lines, each as a sender on the network writes it."""
        with socket.create_connection(("127.0.0.1", port), timeout=30) as one:
            for line in lines:
                one.sendall(line.encode() + b"\n")

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.old)) == 0
