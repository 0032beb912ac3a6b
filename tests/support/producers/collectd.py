"""Debian's collectd, whose plugin write_kafka sends JSON, one record for each value list it dispatches."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Self

from tests.support.process import Daemon, Missing

INSTALL = "apt-get install -y --no-install-recommends collectd-core"

_CONFIG = """Hostname "{host}"
FQDNLookup false
BaseDir "{home}"
PIDFile "{home}/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval {interval}
ReadThreads 1
WriteThreads 1
{plugins}
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{home}/sock"
</Plugin>
LoadPlugin write_kafka
<Plugin write_kafka>
  Property "metadata.broker.list" "{brokers}"
  <Topic "{topic}">
    Format JSON
{options}  </Topic>
</Plugin>
"""


def binary() -> str:
    """The `collectd` on the path (or where Debian has it), or `Missing`."""
    found = shutil.which("collectd") or shutil.which("collectd", path="/usr/sbin")
    if found and Path("/usr/lib/collectd/write_kafka.so").exists():
        return found
    raise Missing(f"no collectd with its plugin write_kafka. Install: {INSTALL}")


class Collectd:
    """One of its own, as `host`. `plugins` are read every `interval` seconds; `put` dispatches values of one's own.

    What counts goes out as a rate, which is the plugin's default; with `counters` as it was counted.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        plugins: tuple[str, ...] = (),
        settings: str = "",
        counters: bool = False,
        host: str = "web-1",
        interval: int = 1,
    ) -> None:
        """`settings`: what the configuration says of these plugins."""
        self.home = Path(tempfile.mkdtemp(prefix="faultline-collectd-"))
        self.log = self.home / "collectd.log"
        self._config = _CONFIG.format(
            host=host,
            home=self.home,
            interval=interval,
            brokers=bootstrap_servers,
            topic=topic,
            plugins="\n".join(f"LoadPlugin {plugin}" for plugin in plugins) + f"\n{settings}",
            options="    StoreRates false\n" if counters else "",
        )
        self._binary = binary()
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        config = self.home / "collectd.conf"
        config.write_text(self._config)
        self._daemon = Daemon([self._binary, "-f", "-C", str(config)], self.log)
        self._daemon.wait_ready((self.home / "sock").exists, timeout=30)
        return self

    def put(self, *lists: str) -> None:
        """Dispatch value lists, as `PUTVAL` writes them: `web-1/shop/gauge-latency_ms interval=10 1772366400:12.5`."""
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(self.home / "sock"))
            with one.makefile("rw") as stream:
                for values in lists:
                    stream.write(f"PUTVAL {values}\n")
                    stream.flush()
                    answer = stream.readline()
                    assert answer.startswith("0 Success"), f"{values}: {answer}"

    def tail(self) -> str:
        return self._daemon.tail() if self._daemon is not None else ""

    def stop(self) -> None:
        """End it as an administrator would: what it holds goes out first."""
        if self._daemon is not None:
            self._daemon.stop()

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
