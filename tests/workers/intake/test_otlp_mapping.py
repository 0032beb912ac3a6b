"""What a file of one's own changes about OTLP, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas.events import events_to_dicts
from tests.workers.intake.otlp_making import ENTITY, NOON_US, decoded, metrics_request
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.mapping_files import MappingError
from workers.intake.otlp.mapping import load_otlp_mapping


def format_of(path: Path, text: str, entity: str = ENTITY) -> OtlpFormat:
    file = path / "otlp.yaml"
    file.write_text(text)
    return OtlpFormat(load_otlp_mapping(str(file)), entity)


def test_a_section_of_a_file_replaces_the_built_in_one_and_the_others_stay(tmp_path: Path) -> None:
    wire = format_of(tmp_path, "metrics: {units: {s: ms}}")
    request, metrics = metrics_request()
    metrics.add(name="took", unit="s").gauge.data_points.add(time_unix_nano=NOON_US * 1000, as_double=1)
    events, _, _ = decoded([request.SerializeToString()], wire)
    assert events_to_dicts(events)[0]["metrics"] == {"took_ms": 1.0}
    assert events.entity.values == ["shop"]


def test_which_spans_count_is_for_the_file_to_say(tmp_path: Path) -> None:
    wire = format_of(tmp_path, "spans: {kinds: [client], roots: false}")
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "a"
    for kind in range(6):
        group.scope_spans.add().spans.add(kind=kind, end_time_unix_nano=NOON_US * 1000)
    events, _, counts = decoded([request.SerializeToString()], wire)
    assert len(events) == 1
    assert counts == {"spans": 1, "spans_skipped": 5}


def test_the_entity_is_what_the_template_makes_of_mapped_attributes(tmp_path: Path) -> None:
    wire = format_of(tmp_path, "attributes: {service: [service.name], team: [team]}", "[{team}/]{service}")
    request, metrics = metrics_request()
    request.resource_metrics[0].resource.attributes.add(key="team").value.string_value = "red"
    metrics.add(name="a").gauge.data_points.add(as_int=1)
    events, _, _ = decoded([request.SerializeToString()], wire)
    assert events.entity.values == ["red/shop"]


@pytest.mark.parametrize(
    ("keys", "entity"),
    [
        ({"host.name": "web-1", "k8s.node.name": "n"}, "web-1"),
        ({"host.name": "web-1", "k8s.pod.name": "p", "k8s.namespace.name": "n", "k8s.container.name": "c"}, "n/p/c"),
        ({"host.name": "web-1", "container.name": "redis"}, "redis"),
        ({"k8s.namespace.name": "n", "k8s.deployment.name": "d", "k8s.cluster.name": "c"}, "n/d"),
    ],
)
def test_without_a_service_the_narrowest_thing_that_a_resource_names_is_the_entity(
    keys: dict[str, str], entity: str
) -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, text in keys.items():
        group.resource.attributes.add(key=key).value.string_value = text
    group.scope_spans.add().spans.add(kind=2, end_time_unix_nano=NOON_US * 1000)
    events, faults, _ = decoded([request.SerializeToString()])
    assert not faults
    assert events.entity.values == [entity]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("spans: {kinds: [severs]}", "spans.kinds.0"),
        ("metric: {}", "metric: Extra inputs"),
        ("- a", "expected sections"),
        ("host: [{name: x}]", "host.0.from"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_field(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(MappingError, match=why):
        format_of(tmp_path, text)


def test_a_file_that_is_not_there_is_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="FAULTLINE_INTAKE__OTLP"):
        load_otlp_mapping(str(tmp_path / "none.yaml"))
