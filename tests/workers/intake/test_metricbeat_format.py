"""Metricbeat's documents, from raw records to canonical events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.intake.test_intake_stage import NOON, step
from tests.workers.intake.test_machine_formats import BEAT, counter, delta, events, seen


def document(dataset: str, body: dict[str, Any], **others: Any) -> dict[str, Any]:
    """What a metricset says below its module's object."""
    module = dataset.partition(".")[0]
    return {**BEAT, "event": {"module": module, "dataset": dataset}, module: body, "metricset": {}, **others}


def metrics(dataset: str, body: dict[str, Any], **others: Any) -> dict[str, Any]:
    (event,) = events(document(dataset, body, **others))
    found: dict[str, Any] = event["metrics"]
    return found


def test_what_is_no_base_metric_is_called_by_its_way_below_the_modules_object() -> None:
    found = events(
        document("redis.keyspace", {"keyspace": {"id": "db0", "keys": 7, "hit.pct": 0.5, "used": {"pct": 1}}})
    )
    named = {
        "redis_keyspace_keys{id=db0}": 7.0,
        "redis_keyspace_hit_ratio{id=db0}": 0.5,
        "redis_keyspace_used_ratio{id=db0}": 1.0,
    }
    assert [seen(event) for event in found] == [("web-1", "metric", 0, {"host": "web-1"}, named)]


def test_metricsets_of_the_machine_give_base_metrics() -> None:
    cpu = {"total": {"pct": 1.5, "norm": {"pct": 0.375}}, "cores": 4}
    traffic = {"name": "eth0", "in": {"bytes": 1024}, "out": {"dropped": 2}}
    loop = {"name": "lo", "in": {"bytes": 5}}
    other, host = events(document("system.cpu", {"cpu": cpu}))
    assert seen(host) == ("web-1", "host", 0, {"host": "web-1"}, {"cpu_ratio": 0.375})
    assert other["metrics"] == {"system_cpu_total_ratio": 1.5, "system_cpu_cores": 4.0}
    part, rest = events(document("system.network", {"network": traffic}), document("system.network", {"network": loop}))
    assert part["entity"] == "web-1/eth0"
    assert part["metrics"] == {"network_receive_bytes": counter(1024.0), "network_transmit_drops": counter(2.0)}
    assert rest["metrics"] == {"system_network_in_bytes{name=lo}": counter(5.0)}


def test_fields_called_name_at_several_places_are_labels_of_their_own() -> None:
    """Of a partition: its topic, itself, and who leads it; two partitions of two topics are no series together."""
    partition = {"id": 3, "topic": {"name": "orders"}, "partition": {"id": 3}, "offset": {"newest": 9}}
    named = "kafka_partition_offset_newest{broker_id=1,id=3,partition_id=3,topic_name=orders}"
    assert metrics("kafka.partition", {"partition": partition, "broker": {"id": 1}}) == {named: counter(9.0)}
    pod = {"container": {"name": "nginx", "cpu": {"usage": 5}}, "pod": {"name": "web-0"}, "node": {"name": "n1"}}
    assert metrics("kubernetes.container", pod) == {
        "kubernetes_container_cpu_usage{name=nginx,node_name=n1,pod_name=web-0}": 5.0
    }


def test_an_id_beside_a_name_and_what_people_attached_are_no_labels() -> None:
    body = {"container": {"labels": {"name": "made by me", "version": "7"}}, "cpu": {"total": {"pct": 0.5}}}
    found = metrics("docker.cpu", body, container={"name": "shop", "id": "b1c3"})
    assert found == {"docker_cpu_total_ratio{container=shop}": 0.5}
    assert metrics("ceph.osd_df", {"osd_df": {"id": 4, "name": "osd.4", "used": 1}}) == {
        "ceph_osd_df_used{name=osd.4}": 1.0
    }


def test_labels_of_prometheus_are_labels_and_say_whose_it_is_where_the_beat_does_not() -> None:
    body = {
        "labels": {"job": "api", "instance": "a:80", "host": "other", "namespace": "pay"},
        "metrics": {"up": 1, "x_total": 5},
    }
    (event,) = events(document("prometheus.collector", body, service={"address": "a:80"}))
    assert event["attributes"] == {"host": "web-1", "namespace": "pay"}
    labels = "{address=a:80,instance=a:80,job=api,label_host=other}"
    assert event["metrics"] == {
        f"prometheus_metrics_up{labels}": 1.0,
        f"prometheus_metrics_x_total{labels}": counter(5.0),
    }


def test_what_single_processes_count_up_is_left_out() -> None:
    """Two of one name cannot be told apart, and none of them lasts."""
    process = {"cpu": {"total": {"value": 120, "pct": 0.5}, "user": {"ticks": 7}}, "fd": {"open": 9}}
    assert metrics("system.process", {"process": process}, process={"name": "java", "pid": 7}) == {
        "system_process_cpu_total_ratio{process=java}": 0.5,
        "system_process_fd_open{process=java}": 9.0,
    }


def test_totals_of_the_machine_stand_beside_its_name() -> None:
    """Metricbeat sends them in documents of their own, which have nothing below the module."""
    traffic = {"ingress": {"bytes": 700, "packets": 7}, "egress": {"bytes": 500, "packets": 5}}
    host = {"name": "web-1", "network": traffic, "disk": {"read.bytes": 9, "write.bytes": 0}, "cpu": {"usage": 0.5}}
    meta = {"event": {"module": "system", "dataset": "system.network"}, "metricset": {}}
    (event,) = events({**BEAT, **meta, "host": host})
    assert (event["entity"], event["kind"]) == ("web-1", "host")
    assert event["metrics"] == {
        "disk_read_bytes": delta(9.0),
        "disk_write_bytes": delta(0.0),
        "network_receive_bytes": delta(700.0),
        "network_receive_packets": delta(7.0),
        "network_transmit_bytes": delta(500.0),
        "network_transmit_packets": delta(5.0),
    }


def test_a_reading_that_failed_gives_nothing_and_is_no_dead_letter() -> None:
    failed = {"event": {"module": "redis", "dataset": "redis.info"}, "metricset": {"name": "info"}}
    (chunk,) = step([{**BEAT, **failed, "error": {"message": "connection refused"}}])
    assert (chunk.outputs, chunk.dead, chunk.counts["skipped"]) == ([], [], 1)


@pytest.mark.parametrize(
    ("moment", "period", "later"),
    [
        ("12:00:00.250Z", 10_000, 10),
        ("12:00:10.000Z", 10_000, 10),
        ("12:00:01.000Z", 900_000, 60),
        ("12:00:01.000Z", None, 1),
    ],
)
def test_what_metricbeat_reads_in_one_period_is_of_one_time(moment: str, period: int | None, later: int) -> None:
    told = {"@timestamp": f"2026-03-01T{moment}", "metricset": {"name": "load", "period": period}}
    (event,) = events(document("system.load", {"load": {"1": 0.5}}, **told))
    assert (event["timestamp"] - NOON, event["metrics"]) == (later * 1_000_000, {"load_1": 0.5})


def test_tags_and_fields_that_people_add_do_not_make_it_a_record_of_telegraf() -> None:
    added = {"tags": ["shop"], "fields": {"env": "prod", "service": "cart", "team": "a"}}
    (event,) = events(document("system.load", {"load": {"norm": {"1": 0.5}}}, **added, service={"type": "system"}))
    assert (event["entity"], event["metrics"]) == ("prod/cart", {"system_load_norm_1": 0.5})
