"""Metricbeat and Filebeat with a few of their modules and inputs, built from their published Go module.

7.17 is the line that is published as one; of later ones only the programs are.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.process import Daemon
from tests.support.producers.go_builds import built, go

VERSION = "7.17.29"
_MODULE = "github.com/elastic/beats/v7"

METRICSETS = (
    "core",
    "cpu",
    "diskio",
    "filesystem",
    "fsstat",
    "load",
    "memory",
    "network",
    "process",
    "process_summary",
    "socket_summary",
    "uptime",
)
"""Of the module `system`."""

_METRICBEAT = """package main

import (
	"flag"
	"os"

	"github.com/elastic/beats/v7/libbeat/cmd"
	"github.com/elastic/beats/v7/libbeat/cmd/instance"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"
	"github.com/elastic/beats/v7/metricbeat/beater"
{modules}
)

func main() {{
	flags := flag.CommandLine.Lookup("system.hostfs")
	settings := instance.Settings{{Name: "metricbeat", Processing: processing.MakeDefaultSupport(true,
		processing.WithFields(common.MapStr{{"ecs": common.MapStr{{"version": "1.12.0"}}}}),
		processing.WithHost, processing.WithAgentMeta())}}
	root := cmd.GenRootCmdWithSettings(beater.DefaultCreator(), settings)
	root.PersistentFlags().AddGoFlag(flags)
	if root.Execute() != nil {{
		os.Exit(1)
	}}
}}
"""

_FILEBEAT = """package main

import (
	"os"

	"github.com/elastic/beats/v7/filebeat/cmd"
	inputs "github.com/elastic/beats/v7/filebeat/input/default-inputs"
)

func main() {
	if cmd.Filebeat(inputs.Init, cmd.FilebeatSettings()).Execute() != nil {
		os.Exit(1)
	}
}
"""

_NAMELESS = (
    *("host.hostname", "host.id", "host.ip", "host.mac", "agent.hostname", "agent.id", "agent.ephemeral_id"),
    *("host.os.kernel", "os", "log.file.path", "log.source.address"),
)
"""What would name the machine on which they run, and its folders."""


def binary(name: str) -> Path:
    """The program `metricbeat` or `filebeat`; the first call on a machine builds it, which takes minutes."""
    return built(name, VERSION, _build)


def _build(scratch: Path, target: Path) -> None:
    """In a module of its own that asks for what theirs asks for: a module's `replace` lines do not count in another."""
    env = {"GOFLAGS": "-mod=mod -buildvcs=false"}
    go("mod", "init", "faultline.test/beat", cwd=scratch, env=env)
    theirs = Path(json.loads(go("mod", "download", "-json", f"{_MODULE}@v{VERSION}", cwd=scratch, env=env))["Dir"])
    asked = re.sub(r"(?m)^module .*$", "module faultline.test/beat", (theirs / "go.mod").read_text())
    (scratch / "go.mod").write_text(f"{asked}\nrequire {_MODULE} v{VERSION}\n")
    shutil.copyfile(theirs / "go.sum", scratch / "go.sum")
    packages = ("redis", "redis/info", "redis/keyspace", "system", *(f"system/{name}" for name in METRICSETS))
    modules = "\n".join(f'\t_ "{_MODULE}/metricbeat/module/{package}"' for package in packages)
    main = _METRICBEAT.format(modules=modules) if target.name == "metricbeat" else _FILEBEAT
    (scratch / "main.go").write_text(main)
    go("build", "-trimpath", "-ldflags=-s -w", "-o", str(target), ".", cwd=scratch, env=env)


class Beat:
    """One of its own called `web-1`, which sends to `topic`. `settings` are those of its own configuration file."""

    def __init__(self, name: str, bootstrap_servers: str, topic: str, settings: Mapping[str, Any]) -> None:
        self._name = name
        self.home = Path(tempfile.mkdtemp(prefix=f"faultline-{name}-"))
        self._config = {
            "name": "web-1",
            "path.home": str(self.home),
            "logging.to_stderr": True,
            "processors": [
                {"add_host_metadata": None},
                {"drop_fields": {"fields": list(_NAMELESS), "ignore_missing": True}},
            ],
            "output.kafka": {"hosts": [bootstrap_servers], "topic": topic, "version": "2.6.0"},
            **settings,
        }
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        config = self.home / "beat.yml"
        config.write_text(yaml.safe_dump(self._config))
        config.chmod(0o600)
        argv = [str(binary(self._name)), "--environment", "container", "-c", str(config)]
        self._daemon = Daemon(argv, self.home / "beat.log")
        self._daemon.wait_ready(lambda: "start running" in (self.home / "beat.log").read_text(), 60)
        return self

    def stop(self) -> None:
        """End it as an administrator would."""
        if self._daemon is not None:
            self._daemon.stop()

    def tail(self) -> str:
        return self._daemon.tail() if self._daemon is not None else ""

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
