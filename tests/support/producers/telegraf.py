"""Telegraf with a few of its plugins, built from its published module, and Debian's snmpd for it to ask."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Self

from tests.support.process import Daemon, Missing, free_port
from tests.support.producers.go_builds import built, go

VERSION = "1.37.2"

_PLUGINS = (
    *(f"inputs.{name}" for name in ("cpu", "disk", "diskio", "kernel", "mem", "net", "processes", "snmp")),
    *("inputs.socket_listener", "inputs.swap", "inputs.system"),
    *("outputs.kafka", "parsers.influx", "serializers.influx", "serializers.json"),
)

_CONFIG = """[agent]
  interval = "1s"
  flush_interval = "1s"
  hostname = "web-1"
  snmp_translator = "gosmi"
[[outputs.kafka]]
  brokers = ["{brokers}"]
  topic = "{topic}"
  data_format = "{data_format}"
{inputs}
"""

_SNMP = """[[inputs.snmp]]
  agents = ["udp://127.0.0.1:{port}"]
  community = "public"
  agent_host_tag = "source"
  [[inputs.snmp.field]]
    name = "sysName"
    oid = ".1.3.6.1.2.1.1.5.0"
    is_tag = true
  [[inputs.snmp.field]]
    name = "uptime"
    oid = ".1.3.6.1.2.1.1.3.0"
    conversion = "float(2)"
  [[inputs.snmp.table]]
    name = "interface"
    inherit_tags = ["sysName"]
{columns}
"""

_COLUMNS = {
    "ifDescr": ".1.3.6.1.2.1.2.2.1.2",
    "ifOperStatus": ".1.3.6.1.2.1.2.2.1.8",
    "ifInDiscards": ".1.3.6.1.2.1.2.2.1.13",
    "ifInErrors": ".1.3.6.1.2.1.2.2.1.14",
    "ifOutDiscards": ".1.3.6.1.2.1.2.2.1.19",
    "ifOutErrors": ".1.3.6.1.2.1.2.2.1.20",
    "ifHCInOctets": ".1.3.6.1.2.1.31.1.1.1.6",
    "ifHCInUcastPkts": ".1.3.6.1.2.1.31.1.1.1.7",
    "ifHCOutOctets": ".1.3.6.1.2.1.31.1.1.1.10",
    "ifHCOutUcastPkts": ".1.3.6.1.2.1.31.1.1.1.11",
}
"""Of IF-MIB, by number: no MIB files are needed."""

LISTENER = """[[inputs.socket_listener]]
  service_address = "tcp://127.0.0.1:{port}"
  data_format = "influx"
"""


def binary() -> Path:
    """The program; the first call on a machine builds it, which takes minutes."""
    return built("telegraf", VERSION, _build)


def _build(scratch: Path, target: Path) -> None:
    tags = ",".join(("custom", *_PLUGINS))
    module = f"github.com/influxdata/telegraf/cmd/telegraf@v{VERSION}"
    go("install", "-trimpath", "-ldflags=-s -w", "-tags", tags, module, cwd=scratch, env={"GOBIN": str(scratch)})
    assert target.is_file()


class Telegraf:
    """One of its own on host `web-1`, with `inputs` in its own configuration language, read every second."""

    def __init__(self, bootstrap_servers: str, topic: str, inputs: str, data_format: str = "json") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="faultline-telegraf-"))
        self._config = _CONFIG.format(brokers=bootstrap_servers, topic=topic, inputs=inputs, data_format=data_format)
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        config = self.home / "telegraf.conf"
        config.write_text(self._config)
        log = self.home / "telegraf.log"
        self._daemon = Daemon([str(binary()), "--config", str(config)], log)
        self._daemon.wait_ready(
            lambda: "Started Telegraf" in log.read_text() or "Loaded outputs" in log.read_text(), 60
        )
        return self

    def tail(self) -> str:
        return self._daemon.tail() if self._daemon is not None else ""

    def stop(self) -> None:
        """End it as an administrator would: what it holds goes out first."""
        if self._daemon is not None:
            self._daemon.stop()

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class Snmpd:
    """An SNMP agent called `router-1`, which answers for this machine's interfaces."""

    def __init__(self) -> None:
        found = shutil.which("snmpd") or shutil.which("snmpd", path="/usr/sbin")
        if not found:
            raise Missing("no snmpd on the path. Install: apt-get install -y --no-install-recommends snmpd")
        self._binary, self.port = found, free_port()
        self.home = Path(tempfile.mkdtemp(prefix="faultline-snmpd-"))
        self._daemon: Daemon | None = None

    @property
    def inputs(self) -> str:
        """What Telegraf has to be told to ask it."""
        columns = "".join(
            f'    [[inputs.snmp.table.field]]\n      name = "{name}"\n      oid = "{oid}"\n'
            f"      is_tag = {str(name == 'ifDescr').lower()}\n"
            for name, oid in _COLUMNS.items()
        )
        return _SNMP.format(port=self.port, columns=columns)

    def __enter__(self) -> Self:
        config = self.home / "snmpd.conf"
        config.write_text("rocommunity public\nsysName router-1\nsysLocation nowhere\nsysContact nobody\n")
        argv = [self._binary, "-f", "-Lo", "-C", "-c", str(config), "-p", str(self.home / "pid")]
        env = {"SNMP_PERSISTENT_DIR": str(self.home)}
        self._daemon = Daemon([*argv, f"udp:127.0.0.1:{self.port}"], self.home / "snmpd.log", env)
        self._daemon.wait_ready(self._answers, timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        """Whether it answers a request for sysName, in SNMP 2c."""
        request = bytes.fromhex(
            "302902010104067075626c6963a01c020401020304020100020100300e300c06082b060102010105000500"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.5)
            one.connect(("127.0.0.1", self.port))
            try:
                one.send(request)
                return b"router-1" in one.recv(4096)
            except OSError:
                return False
