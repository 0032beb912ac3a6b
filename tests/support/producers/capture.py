"""Has the real producers write the golden records anew: `python -m tests.support.producers.capture [PRODUCER…]`.

Needs what tests/workers/intake/golden/README.md names. Every capture is of fixed host names; times of what the producer
measures itself are those of the capture.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.support.broker import Broker
from tests.support.installation import eventually
from tests.support.producers import kcat
from tests.support.producers.capture_beats import capture_filebeat, capture_metricbeat
from tests.support.producers.collectd import Collectd
from tests.support.producers.collector import SIGNALS, Collector
from tests.support.producers.exposition import PROTOBUF, SHOP, TEXT, native_histogram
from tests.support.producers.golden import write_golden
from tests.support.producers.keeping import first_two, write_records
from tests.support.producers.otlp import golden_documents
from tests.support.producers.prometheus import Page, Prometheus
from tests.support.producers.rsyslog import FORWARD, NEW, OLD, Rsyslog
from tests.support.producers.telegraf import Snmpd, Telegraf
from tests.support.receiver import Receiver
from tests.support.services import some_kafka
from tests.support.snappy import unpacked

ENCODINGS = {"otlp_proto": "binpb", "otlp_json": "json"}

SYSLOG = (
    "<34>1 2026-03-01T12:00:00.123456Z web-1 su 312 ID47 [origin@32473 ip=\"10.0.0.1\"] \ufeff'su root' failed",
    "<165>1 2026-03-01T14:00:01+02:00 web-2 shop - - - order 7 paid",
    "<13>Mar  1 12:00:02 web-1 cron[99]: tick tock",
    "<11>Mar  1 12:00:03 web-1 kernel: eth0: link down",
    '<14>Mar  1 12:00:04 web-1 app: {"json": true}',
)
"""As senders write it: with structured data and a byte order mark, in another zone, and of the older kind."""

JSON_LINES = (
    '{"timestamp":"2026-03-01T12:00:00.250Z","service":"checkout","env":"prod","path":"/pay","status":200,"latency_ms":12.5}',
    (
        '{"@timestamp":"2026-03-01T12:00:01.000Z","service.name":"cart","log.level":"error","message":"no stock",'
        '"event.duration":2500000,"ecs.version":"1.6.0"}'
    ),
    '{"time":1772366402.5,"level":"WARN","app":"search","msg":"slow \u2013 über 1 s"}',
    '{"ts":1772366403000,"kind":"metric","service":"queue","host":{"name":"web-1"}}',
)

COLLECTD_SETTINGS = """<Plugin df>
  MountPoint "/"
</Plugin>
<Plugin interface>
  Interface "lo"
  Interface "eth0"
</Plugin>
"""
COLLECTD_PLUGINS = ("cpu", "memory", "load", "interface", "df", "processes", "contextswitch", "uptime", "swap", "disk")
COLLECTD_VALUES = (
    "web-1/shop/gauge-latency_ms interval=10 1772366400.25:12.5",
    "web-1/shop/gauge-latency_ms interval=10 1772366410.25:U",
    "web-1/shop/derive-bytes interval=10 1772366400:1000",
    "web-1/shop/derive-bytes interval=10 1772366410:1500",
    "web-1/shop/counter-requests interval=10 1772366400:7",
    "web-1/shop/counter-requests interval=10 1772366410:19",
    "web-1/shop/absolute-visits interval=10 1772366400:30",
    "web-2/interface-eth0/if_octets interval=10 1772366400:100:200",
    "web-2/interface-eth0/if_octets interval=10 1772366410:1100:700",
)

HOST_SCRAPERS: Mapping[str, object] = {
    **{name: {} for name in ("cpu", "disk", "load", "memory", "network", "paging", "processes", "system")},
    "filesystem": {"include_mount_points": {"mount_points": ["/"], "match_type": "strict"}},
}

TELEGRAF_INPUTS = """[[inputs.cpu]]
[[inputs.mem]]
[[inputs.swap]]
[[inputs.disk]]
  mount_points = ["/"]
[[inputs.diskio]]
[[inputs.net]]
  interfaces = ["eth0", "lo"]
[[inputs.system]]
[[inputs.processes]]
[[inputs.kernel]]
"""

_STALE = struct.pack("<Q", 0x7FF0000000000002)
"""The NaN by which Prometheus says that a series has ended."""


def capture_collector(broker: Broker) -> None:
    for encoding, suffix in ENCODINGS.items():
        for signal in SIGNALS:
            _capture_signal(broker, encoding, suffix, signal)
        _capture_hostmetrics(broker, encoding, suffix)
        _capture_filelog(broker, encoding, suffix)


def _capture_signal(broker: Broker, encoding: str, suffix: str, signal: str) -> None:
    topic = broker.create_topic()
    with Collector(broker.bootstrap_servers, topic, encoding) as collector:
        for document in golden_documents()[signal]:
            collector.post(signal, document)
        eventually(lambda: 0 < collector.sent(signal) == collector.accepted(signal), 60, "all of it sent")
        sent = collector.sent(signal)
    write_records(f"collector/{signal}_{encoding}", suffix, broker, topic, {signal: sent})


def _capture_hostmetrics(broker: Broker, encoding: str, suffix: str) -> None:
    """One scrape: one record."""
    topic = broker.create_topic()
    receiver = {"collection_interval": "1h", "initial_delay": "100ms", "scrapers": HOST_SCRAPERS}
    with Collector(broker.bootstrap_servers, topic, encoding, {"hostmetrics": receiver}) as collector:
        collector.await_sent("metrics", 1)
        sent = collector.sent("metrics")
    write_records(f"collector/hostmetrics_{encoding}", suffix, broker, topic, {"metrics": sent})


def _capture_filelog(broker: Broker, encoding: str, suffix: str) -> None:
    topic = broker.create_topic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "app.log")
        file.write_text("started\nERROR out of memory\n")
        receiver = {"include": [str(file)], "start_at": "beginning", "poll_interval": "100ms"}
        with Collector(broker.bootstrap_servers, topic, encoding, {"filelog": receiver}) as collector:
            collector.await_sent("logs", 2)
            sent = collector.sent("logs")
    write_records(f"collector/filelog_{encoding}", suffix, broker, topic, {"logs": sent})


def capture_collectd(broker: Broker) -> None:
    for name, counters in (("rates", False), ("counters", True)):
        _capture_collectd(broker, name, counters)


def _capture_collectd(broker: Broker, name: str, counters: bool) -> None:
    """Until the plugin that is read last has been read twice."""
    topic = broker.create_topic()

    def read_twice() -> bool:
        disks = [record.value for record in broker.read(topic) if b'"plugin":"disk"' in (record.value or b"")]
        return sum(b"disk_octets" in disk and b"null" not in disk for disk in disks if disk) >= 2

    with Collectd(broker.bootstrap_servers, topic, COLLECTD_PLUGINS, COLLECTD_SETTINGS, counters) as collectd:
        collectd.put(*COLLECTD_VALUES)
        eventually(read_twice, 60, "two readings of every plugin")
        collectd.stop()
    write_records(f"collectd/{name}", "json", broker, topic, only=first_two(_collectd_series))


def capture_rsyslog(broker: Broker) -> None:
    for name, template in (("rfc5424", NEW), ("rfc3164", OLD), ("forward", FORWARD)):
        topic = broker.create_topic()
        with Rsyslog(broker.bootstrap_servers, topic, template) as rsyslog:
            rsyslog.await_sent(rsyslog.log(SYSLOG))
            sent = rsyslog.sent()
        write_records(f"rsyslog/{name}", "log", broker, topic, {"lines": sent})


def capture_kcat(broker: Broker) -> None:
    topic = broker.create_topic()
    sent = kcat.post(broker.bootstrap_servers, topic, JSON_LINES)
    write_records("kcat/json", "json", broker, topic, {"lines": sent})


def capture_telegraf(broker: Broker) -> None:
    for data_format, suffix in (("json", "json"), ("influx", "txt")):
        with Snmpd() as snmpd:
            _capture_telegraf(broker, f"snmp_{data_format}", data_format, suffix, snmpd.inputs, b"interface")
        _capture_telegraf(broker, f"host_{data_format}", data_format, suffix, TELEGRAF_INPUTS, b"usage_idle")


def _capture_telegraf(broker: Broker, name: str, data_format: str, suffix: str, inputs: str, last: bytes) -> None:
    """Until `last` has come, which is in what is read last."""
    topic = broker.create_topic()
    with Telegraf(broker.bootstrap_servers, topic, inputs, data_format) as telegraf:
        eventually(lambda: any(last in (record.value or b"") for record in broker.read(topic)), 60, "readings")
        telegraf.stop()
    write_records(f"telegraf/{name}", suffix, broker, topic, only=first_two(_telegraf_series))


def capture_prometheus(_: Broker) -> None:
    _capture_page("", TEXT, SHOP, b"http_requests")
    native = native_histogram("request_seconds", 2, 1, (3, 4, -5, 0, 2), 12.5)
    _capture_page("native_", PROTOBUF, native, b"request_seconds")


def _capture_page(name: str, content_type: str, page: bytes, metric: bytes) -> None:
    """What is sent of a page while it is there, and when it is gone."""
    with (
        Receiver() as receiver,
        Page(page, content_type) as shown,
        Prometheus(shown.port, f"{receiver.url}/api/v1/write"),
    ):
        _keep_body(receiver, f"{name}samples", lambda body: metric in body and b"cluster" in body)
        if b"# HELP" in page:
            _keep_body(receiver, f"{name}metadata", lambda body: metric in body and b"cluster" not in body)
        shown.body = b""
        _keep_body(receiver, f"{name}stale", lambda body: metric in body and _STALE in body)


def _keep_body(receiver: Receiver, name: str, wanted: Callable[[bytes], bool]) -> None:
    def bodies() -> list[bytes]:
        return [one.body for one in list(receiver.received) if wanted(unpacked(one.body))]

    eventually(lambda: bool(bodies()), 60, f"a body of {name}")
    write_golden(f"prometheus/{name}", "snappy", bodies()[:1])


def _collectd_series(value: bytes) -> object:
    (one,) = json.loads(value)
    return tuple(one[part] for part in ("host", "plugin", "plugin_instance", "type", "type_instance"))


def _telegraf_series(value: bytes) -> object:
    if value[:1] != b"{":
        return value.split(b" ")[0], b"uptime" in value, b"uptime_format" in value
    one = json.loads(value)
    return one["name"], tuple(sorted(one["tags"].items())), tuple(sorted(one["fields"]))


CAPTURES: Mapping[str, Callable[[Broker], None]] = {
    "collector": capture_collector,
    "collectd": capture_collectd,
    "filebeat": capture_filebeat,
    "kcat": capture_kcat,
    "metricbeat": capture_metricbeat,
    "prometheus": capture_prometheus,
    "rsyslog": capture_rsyslog,
    "telegraf": capture_telegraf,
}


def main(names: Iterable[str]) -> None:
    with some_kafka() as bootstrap_servers:
        for name in names or CAPTURES:
            print(f"capturing {name}", flush=True)
            CAPTURES[name](Broker(bootstrap_servers))


if __name__ == "__main__":
    main(sys.argv[1:])
