"""The OpenTelemetry Collector, built from its published modules, with the Kafka exporter of the contrib repository."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

import yaml

from tests.support.installation import eventually
from tests.support.process import Daemon, free_port
from tests.support.producers.go_builds import built, go, run

VERSION = "0.140.0"
_CORE, _CONTRIB = "go.opentelemetry.io/collector", "github.com/open-telemetry/opentelemetry-collector-contrib"

_MANIFEST = {
    "dist": {"name": "otelcol", "module": "faultline.test/otelcol", "version": VERSION, "output_path": "./source"},
    "receivers": [
        {"gomod": f"{_CORE}/receiver/otlpreceiver v{VERSION}"},
        {"gomod": f"{_CONTRIB}/receiver/hostmetricsreceiver v{VERSION}"},
        {"gomod": f"{_CONTRIB}/receiver/filelogreceiver v{VERSION}"},
    ],
    "processors": [
        {"gomod": f"{_CORE}/processor/batchprocessor v{VERSION}"},
        {"gomod": f"{_CONTRIB}/processor/resourcedetectionprocessor v{VERSION}"},
    ],
    "exporters": [{"gomod": f"{_CONTRIB}/exporter/kafkaexporter v{VERSION}"}],
}

SIGNALS = {"metrics": "metric_points", "logs": "log_records", "traces": "spans"}
"""What is counted of each signal, by the names of the Collector's own metrics."""


def binary() -> Path:
    """The program; the first call on a machine builds it, which takes minutes."""
    return built("otelcol", VERSION, _build)


def _build(scratch: Path, target: Path) -> None:
    go("install", f"{_CORE}/cmd/builder@v{VERSION}", cwd=scratch, env={"GOBIN": str(scratch)})
    (scratch / "manifest.yaml").write_text(yaml.safe_dump(_MANIFEST))
    # The builder's own `go mod tidy` also wants the modules of everybody's tests; `-mod=mod` gets what is compiled.
    run(
        str(scratch / "builder"),
        "--config=manifest.yaml",
        "--skip-get-modules",
        "--skip-compilation",
        cwd=scratch,
        env={"GOFLAGS": "-mod=mod -buildvcs=false"},
    )
    argv = ("build", "-trimpath", "-ldflags=-s -w", "-o", str(target), ".")
    go(*argv, cwd=scratch / "source", env={"GOFLAGS": "-mod=mod -buildvcs=false"})


class Collector:
    """One that sends everything to `topic`, in `otlp_proto` or `otlp_json`; send it OTLP with `post`.

    `receivers` beside `otlp`, by name, each with its configuration; what they read is said to be of the host `web-1`.
    `post` and the Kafka exporter keep the order: there is one consumer of the queue.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        encoding: str = "otlp_proto",
        receivers: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="faultline-otelcol-"))
        self._otlp, self._own = free_port(), free_port()
        self._config = self._configure(bootstrap_servers, topic, encoding, receivers or {})
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        config = self.home / "config.yaml"
        config.write_text(yaml.safe_dump(self._config))
        env = {"OTEL_RESOURCE_ATTRIBUTES": "host.name=web-1"}
        self._daemon = Daemon([str(binary()), f"--config={config}"], self.home / "server.log", env)
        self._daemon.wait_ready(self._answers, timeout=60)
        return self

    def post(self, signal: str, document: Mapping[str, Any]) -> None:
        """Hand it OTLP in JSON, of the signal `metrics`, `logs` or `traces`. Raises unless all of it is taken."""
        request = Request(
            f"http://127.0.0.1:{self._otlp}/v1/{signal}",
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            said = json.load(answer)
        assert not said.get("partialSuccess"), said

    def sent(self, signal: str) -> int:
        """How many data points, log records or spans it says the broker has acknowledged."""
        return self._count(f"otelcol_exporter_sent_{SIGNALS[signal]}")

    def accepted(self, signal: str) -> int:
        """How many its receivers have taken."""
        return self._count(f"otelcol_receiver_accepted_{SIGNALS[signal]}")

    def await_sent(self, signal: str, number: int) -> None:
        eventually(lambda: self.sent(signal) >= number, 60, f"{number} {signal} sent: {self.tail()}")

    def tail(self) -> str:
        return self._daemon.tail() if self._daemon is not None else ""

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _count(self, name: str) -> int:
        with urlopen(f"http://127.0.0.1:{self._own}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            int(float(line.rpartition(" ")[2])) for line in lines if line.startswith((f"{name}{{", f"{name}_total{{"))
        )

    def _answers(self) -> bool:
        try:
            self._count("otelcol")
            self.post("logs", {"resourceLogs": []})
        except (URLError, OSError):
            return False
        return True

    def _configure(
        self, bootstrap_servers: str, topic: str, encoding: str, receivers: Mapping[str, Mapping[str, object]]
    ) -> dict[str, Any]:
        kafka = {
            "brokers": [bootstrap_servers],
            "sending_queue": {"num_consumers": 1},
            **{signal: {"topic": topic, "encoding": encoding} for signal in SIGNALS},
        }
        pull = {"exporter": {"prometheus": {"host": "127.0.0.1", "port": self._own}}}
        return {
            "receivers": {
                "otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self._otlp}"}}},
                **{name: dict(settings) for name, settings in receivers.items()},
            },
            "processors": {"resourcedetection": {"detectors": ["env"]}},
            "exporters": {"kafka": kafka},
            "service": {
                "telemetry": {"metrics": {"level": "normal", "readers": [{"pull": pull}]}},
                "pipelines": {
                    **{signal: {"receivers": ["otlp"], "exporters": ["kafka"]} for signal in SIGNALS},
                    **{
                        f"{_signal_of(name)}/{number}": {
                            "receivers": [name],
                            "processors": ["resourcedetection"],
                            "exporters": ["kafka"],
                        }
                        for number, name in enumerate(receivers)
                    },
                },
            },
        }


def _signal_of(receiver: str) -> str:
    return {"hostmetrics": "metrics", "filelog": "logs"}[receiver.partition("/")[0]]
