"""Pages as exporters show them to Prometheus: OpenMetrics text, and Protocol Buffers for native histograms."""

from __future__ import annotations

import struct
from collections.abc import Sequence

TEXT = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

SHOP = b"""# HELP http_requests Requests answered.
# TYPE http_requests counter
http_requests_total{code="200",method="get"} 1027 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 1.0 1772366400.000
http_requests_total{code="500",method="post"} 3
# HELP memory_resident_bytes Memory in use.
# TYPE memory_resident_bytes gauge
memory_resident_bytes 2.4e+07
# HELP request_duration_seconds Time to answer.
# TYPE request_duration_seconds histogram
request_duration_seconds_bucket{le="0.1"} 90
request_duration_seconds_bucket{le="0.5"} 99
request_duration_seconds_bucket{le="+Inf"} 100
request_duration_seconds_sum 7.5
request_duration_seconds_count 100
# HELP rpc_duration_seconds Time of a call.
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.5"} 0.02
rpc_duration_seconds{quantile="0.99"} NaN
rpc_duration_seconds_sum 4.25
rpc_duration_seconds_count 100
# EOF
"""
"""A counter with an exemplar, a gauge, a histogram with buckets, and a summary with a quantile that nothing fell in."""


def native_histogram(name: str, schema: int, zeros: int, deltas: Sequence[int], total: float) -> bytes:
    """A page of one native histogram: a span of buckets from index 0 on, their counts as differences (client_model)."""
    counts = [sum(deltas[: i + 1]) for i in range(len(deltas))]
    histogram = b"".join(
        (
            _field(1, _varint(zeros + sum(counts))),
            _double(2, total),
            _field(5, _zigzag(schema)),
            _double(6, 1e-128),
            _field(7, _varint(zeros)),
            _block(12, _field(1, _zigzag(0)) + _field(2, _varint(len(deltas)))),
            *(_field(13, _zigzag(delta)) for delta in deltas),
        )
    )
    family = _block(1, name.encode()) + _field(3, _varint(4)) + _block(4, _block(7, histogram))
    return _varint(len(family)) + family


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3) + value


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _block(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value
