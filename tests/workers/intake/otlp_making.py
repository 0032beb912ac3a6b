"""Small OTLP requests, and what the format makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from schemas.columns import Events, Fault
from schemas.events import events_to_dicts
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.otlp.mapping import load_otlp_mapping

NOON_US = 1_772_366_400_000_000
ENTITY = "[{env}/][{namespace}/]{service}"
OTLP = OtlpFormat(load_otlp_mapping(""), ENTITY, messages=True)


def decoded(values: Sequence[bytes], wire: OtlpFormat = OTLP) -> tuple[Events, list[Fault], Mapping[str, int]]:
    """What records that arrive five microseconds after noon become."""
    return wire.decode_counted(values, np.full(len(values), NOON_US + 5, np.int64))


def metrics_request() -> tuple[ExportMetricsServiceRequest, Any]:
    """A request of the service `shop`, and the list to which metrics are added."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    return request, group.scope_metrics.add().metrics


def sole(request: ExportMetricsServiceRequest) -> dict[str, Any]:
    """The only event of a request."""
    events, faults, _ = decoded([request.SerializeToString()])
    assert not faults
    (event,) = events_to_dicts(events)
    return event
