"""What Metricbeat and Filebeat write, for the golden records."""

from __future__ import annotations

import json
import socket
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.broker import Broker
from tests.support.installation import eventually
from tests.support.process import free_port
from tests.support.producers.beats import METRICSETS, Beat
from tests.support.producers.keeping import first_two, write_records
from tests.support.redis_server import RedisServer

_LINES = ("2026-03-01 12:00:00 INFO started in 3 s", "2026-03-01 12:00:01 ERROR out of memory")
_JSON_LINES = (
    '{"time":"2026-03-01T12:00:00.250Z","level":"info","service":"shop","msg":"order 7 paid","duration_ms":12.5}',
    '{"time":"2026-03-01T12:00:01.250Z","level":"error","service":"shop","msg":"card refused","status":502}',
)
_DATAGRAMS = (
    "<34>1 2026-03-01T12:00:00.123456Z web-2 su 312 ID47 [origin@32473 ip=\"10.0.0.1\"] 'su root' failed",
    "<13>Mar  1 12:00:02 web-3 cron[99]: tick tock",
)
_COMMAND_LINE = ("args", "command_line", "executable", "working_directory")


def capture_metricbeat(broker: Broker) -> None:
    """Until every metricset has been read twice, and a Redis that is not there has been missed."""
    topic = broker.create_topic()

    def read_twice() -> bool:
        found = [json.loads(record.value) for record in broker.read(topic) if record.value is not None]
        told = Counter(one["event"]["dataset"] for one in found if one["event"]["module"] in one)
        missed = any("error" in one for one in found)
        return len(told) == len(METRICSETS) + 2 and min(told.values()) >= 2 and missed

    with RedisServer() as redis:
        redis.client().set("cart", "7", ex=1_000)
        settings = {
            "metricbeat.modules": _modules(redis.port, free_port()),
            "metricbeat.max_start_delay": "1s",
            "tags": ["shop"],
            "fields": {"env": "prod", "team": "payments"},
        }
        with Beat("metricbeat", broker.bootstrap_servers, topic, settings) as beat:
            eventually(read_twice, 120, "two readings of every metricset")
            beat.stop()
    write_records("metricbeat/modules", "json", broker, topic, only=first_two(_series))


def _modules(redis: int, nobody: int) -> list[Mapping[str, Any]]:
    """As they are shipped, but read every second; of processes those of Metricbeat alone, and not how they are run."""
    own = {
        "process.cgroups.enabled": False,
        "processes": ["^metricbeat$"],
        "processors": [{"drop_fields": {"fields": _command_line(), "ignore_missing": True}}],
    }
    system = {"module": "system", "period": "1s", "metricsets": list(METRICSETS), **own}
    servers = {"module": "redis", "period": "1s", "metricsets": ["info", "keyspace"]}
    return [system, *({**servers, "hosts": [f"127.0.0.1:{port}"]} for port in (redis, nobody))]


def _command_line() -> list[str]:
    return [*(f"process.{name}" for name in _COMMAND_LINE), "system.process.cmdline"]


def _series(value: bytes) -> object:
    """A metricset of one thing."""
    document = json.loads(value)
    dataset, module = document["event"]["dataset"], document["event"]["module"]
    body = document.get(module, {}).get(dataset.partition(".")[2], {})
    return dataset, module in document, "error" in document, body.get("name"), body.get("id"), body.get("mount_point")


def capture_filebeat(broker: Broker) -> None:
    """Lines of a file, lines of JSON at the root, in an object, and by the older input, and syslog over UDP."""
    topic = broker.create_topic()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        plain, structured = Path(folder, "app.log"), Path(folder, "app.ndjson")
        plain.write_text("".join(f"{line}\n" for line in _LINES))
        structured.write_text("".join(f"{line}\n" for line in _JSON_LINES))
        inputs = [
            _file("plain", plain, fields={"service": "cart", "env": "prod"}, tags=["shop"]),
            _file("root", structured, parsers=[{"ndjson": {"target": ""}}]),
            _file("object", structured, parsers=[{"ndjson": {"target": "json"}}]),
            {"type": "log", "paths": [str(structured)], "json.message_key": "msg", "scan_frequency": "1s"},
            {"type": "syslog", "format": "auto", "protocol.udp.host": f"127.0.0.1:{port}"},
        ]
        lines = len(_LINES) + 3 * len(_JSON_LINES)
        with Beat("filebeat", broker.bootstrap_servers, topic, {"filebeat.inputs": inputs}) as beat:
            eventually(lambda: len(broker.read(topic)) >= lines, 120, "every line of the files")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                for line in _DATAGRAMS:
                    one.sendto(line.encode(), ("127.0.0.1", port))
            eventually(lambda: len(broker.read(topic)) >= lines + len(_DATAGRAMS), 60, "both datagrams")
            beat.stop()
    write_records("filebeat/inputs", "json", broker, topic)


def _file(name: str, path: Path, **options: object) -> Mapping[str, Any]:
    return {
        "type": "filestream",
        "id": name,
        "paths": [str(path)],
        "prospector.scanner.check_interval": "1s",
        **options,
    }
