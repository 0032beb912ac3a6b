"""Agents' metrics as base metrics of the profile `host`: the rules, their file, and whose a metric is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.features.host import BASE_INDEX
from tests.workers.intake.test_intake_stage import NOON
from tests.workers.intake.test_machine_formats import events, seen
from workers.intake.machines import Machines, load_machines
from workers.intake.mapping_files import MappingError
from workers.settings import IntakeSettings


def telegraf(name: str, tags: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"name": name, "tags": tags, "fields": fields, "timestamp": NOON // 1_000_000}


def test_the_built_in_rules_name_base_metrics_alone() -> None:
    assert {rule.name for rule in load_machines(IntakeSettings().machines).host} <= BASE_INDEX.keys()


def test_percentages_become_ratios_and_what_has_no_rule_stays_a_metric() -> None:
    tags = {"cpu": "cpu-total", "host": "web-1"}
    host, other = events(telegraf("cpu", tags, usage_idle=75.0, usage_user=15.0, usage_nice=1.0))
    assert seen(host) == ("web-1", "host", 0, {"host": "web-1"}, {"cpu_ratio": 0.25, "cpu_user_ratio": 0.15})
    assert seen(other) == ("web-1", "metric", 0, {"host": "web-1"}, {"cpu_usage_nice{cpu=cpu-total}": 1.0})


def test_an_interface_is_an_entity_of_its_own_and_loopback_is_none() -> None:
    def net(interface: str) -> dict[str, Any]:
        return telegraf("net", {"host": "web-1", "interface": interface}, bytes_recv=7, err_in=1)

    found = events(net("eth0"), net("lo"))
    counter = {"type": "counter"}
    metrics = {"network_receive_bytes": {"value": 7.0, **counter}, "network_receive_errors": {"value": 1.0, **counter}}
    assert [(event["entity"], event["kind"]) for event in found] == [("web-1/eth0", "host"), ("web-1", "metric")]
    assert found[0]["metrics"] == metrics


def test_what_was_asked_by_snmp_is_of_the_device_and_not_of_who_asked() -> None:
    tags = {"host": "poller", "source": "10.0.0.1", "sysName": "router-1", "ifName": "ge-0/0/1"}
    (event,) = events(telegraf("interface", tags, ifHCInOctets=10, ifHCOutOctets=20, ifInErrors=0))
    assert (event["entity"], event["kind"]) == ("router-1/ge-0/0/1", "host")
    assert event["attributes"] == {"host": "router-1", "agent": "poller"}
    (by_address,) = events(telegraf("snmp", {"host": "poller", "source": "10.0.0.1"}, uptime=5.0))
    assert (by_address["entity"], by_address["metrics"]) == ("10.0.0.1", {"uptime_seconds": 5.0})
    (elsewhere,) = events(telegraf("ping", {"host": "web-1", "source": "a"}, average_ms=5.0))
    assert (elsewhere["entity"], elsewhere["kind"]) == ("web-1", "metric")


def test_a_table_of_snmp_is_of_the_device_whatever_people_call_it() -> None:
    """Two switches asked by one Telegraf must not be one."""
    tags = {"host": "poller", "ifName": "Gi1"}
    one, two, three = events(
        telegraf("ports", tags | {"source": "10.0.0.1"}, ifHCInOctets=10),
        telegraf("ports", tags | {"source": "10.0.0.2"}, ifHCInOctets=20),
        telegraf("ports", tags | {"source": "10.0.0.3", "sysName": "router-1"}, ifHCInOctets=30),
    )
    assert [event["entity"] for event in (one, two, three)] == ["10.0.0.1/Gi1", "10.0.0.2/Gi1", "router-1/Gi1"]
    assert three["attributes"] == {"host": "router-1", "agent": "poller"}
    assert list(three["metrics"]) == ["network_receive_bytes"]


@pytest.mark.parametrize(
    ("tags", "fields", "entity", "metrics"),
    [
        ({"index": "1"}, {"laLoadInt": 250}, "nas-1", {"load_1": 2.5}),
        ({"laNames": "Load-15"}, {"laLoadInt": 75}, "nas-1", {"load_15": 0.75}),
        ({"laNames": "Load-5"}, {"laLoad": 1.25}, "nas-1", {"load_5": 1.25}),
        ({"dskPath": "/"}, {"dskPercent": 50}, "nas-1", {"disk_used_ratio": 0.5}),
        ({"dskPath": "/data"}, {"dskPercent": 97}, "nas-1//data", {"disk_used_ratio": 0.97}),
        (
            {"diskIODevice": "sda"},
            {"diskIONReadX": 7},
            "nas-1/sda",
            {"disk_read_bytes": {"value": 7.0, "type": "counter"}},
        ),
        ({"diskIODevice": "sda"}, {"diskIOWrites": 3}, "nas-1/sda", {"disk_writes": {"value": 3.0, "type": "counter"}}),
    ],
)
def test_load_and_disks_of_a_device_asked_by_snmp_are_base_metrics(
    tags: dict[str, str], fields: dict[str, float], entity: str, metrics: dict[str, Any]
) -> None:
    (event,) = events(telegraf("health", {"host": "poller", "source": "nas-1"} | tags, **fields))
    assert (event["entity"], event["kind"], event["metrics"]) == (entity, "host", metrics)


STORED = {"hrStorageUsed": 300, "hrStorageSize": 400, "hrStorageAllocationUnits": 4096}


@pytest.mark.parametrize(
    ("descr", "entity", "metrics"),
    [
        (
            "Physical memory",
            "nas-1",
            {"memory_used_ratio": 0.75, "memory_used_bytes": 1_228_800.0, "memory_total_bytes": 1_638_400.0},
        ),
        ("Swap space", "nas-1", {"swap_used_ratio": 0.75, "swap_used_bytes": 1_228_800.0}),
        ("/", "nas-1", {"disk_used_ratio": 0.75}),
        ("C:\\ Label:  Serial Number 12ab", "nas-1", {"disk_used_ratio": 0.75}),
        ("/data", "nas-1//data", {"disk_used_ratio": 0.75}),
        ("D:\\", "nas-1/D:\\", {"disk_used_ratio": 0.75}),
    ],
)
def test_shares_of_memory_and_disks_are_made_of_what_a_row_of_the_table_says(
    descr: str, entity: str, metrics: dict[str, float]
) -> None:
    tags = {"host": "poller", "source": "nas-1", "hrStorageDescr": descr}
    found = {event["kind"]: event for event in events(telegraf("storage", tags, **STORED))}
    assert (found["host"]["entity"], found["host"]["metrics"]) == (entity, metrics)
    assert (found["metric"]["entity"], len(found["metric"]["metrics"])) == ("nas-1", 3)


@pytest.mark.parametrize(
    "fields",
    [{"hrStorageUsed": 3}, {"hrStorageUsed": 3, "hrStorageSize": 0}, {"hrStorageUsed": 3, "hrStorageSize": "much"}],
)
def test_a_share_of_nothing_is_none(fields: dict[str, Any]) -> None:
    tags = {"host": "poller", "source": "nas-1", "hrStorageDescr": "/"}
    assert {event["kind"] for event in events(telegraf("storage", tags, **fields))} == {"metric"}


def test_a_file_system_of_the_kernel_is_no_disk() -> None:
    tags = {"host": "poller", "source": "nas-1", "hrStorageDescr": "/dev/shm"}
    assert {event["kind"] for event in events(telegraf("storage", tags, **STORED))} == {"metric"}


def test_the_share_of_memory_is_made_of_what_is_free_and_better_of_what_is_available() -> None:
    tags = {"host": "poller", "agent_host": "nas-1"}
    fields = {"memTotalReal": 1000, "memAvailReal": 100, "memTotalSwap": 200, "memAvailSwap": 150}
    free, _ = events(telegraf("snmp", tags, **fields))
    assert free["metrics"] == {
        "memory_total_bytes": 1_024_000.0,
        "memory_free_bytes": 102_400.0,
        "memory_used_ratio": 0.9,
        "swap_used_ratio": 0.25,
    }
    available, _ = events(telegraf("snmp", tags, **fields, memSysAvail=600))
    assert available["metrics"]["memory_used_ratio"] == pytest.approx(0.4)


def test_cores_are_told_by_their_index_and_a_sole_one_is_the_machine() -> None:
    def load(**tags: str) -> list[dict[str, Any]]:
        return events(telegraf("cpu_table", {"host": "poller", "source": "nas-1"} | tags, hrProcessorLoad=25))

    (second,), (sole,), (unknown,) = load(index="196609"), load(), load(index="7")
    assert (second["entity"], second["metrics"]) == ("nas-1", {"cpu_core_1_ratio": 0.25})
    assert (sole["entity"], sole["metrics"]) == ("nas-1", {"cpu_ratio": 0.25})
    assert (unknown["entity"], unknown["kind"]) == ("nas-1", "metric")


def counter(value: float) -> dict[str, Any]:
    return {"value": value, "type": "counter"}


@pytest.mark.parametrize(
    ("name", "instance", "fields", "entity", "metrics"),
    [
        (
            "win_cpu",
            "_Total",
            {"Percent_Processor_Time": 25.0, "Percent_User_Time": 15.0, "Percent_Privileged_Time": 10.0},
            "pc",
            {"cpu_ratio": 0.25, "cpu_user_ratio": 0.15, "cpu_system_ratio": 0.1},
        ),
        ("win_cpu", "3", {"Percent_Processor_Time": 50.0}, "pc", {"cpu_core_3_ratio": 0.5}),
        ("win_mem", "", {"Available_Bytes": 1e9}, "pc", {"memory_free_bytes": 1e9}),
        ("win_swap", "_Total", {"Percent_Usage": 5.0}, "pc", {"swap_used_ratio": 0.05}),
        (
            "win_disk",
            "C:",
            {"Percent_Free_Space": 25.0},
            "pc",
            {"disk_used_ratio": 0.75},
        ),
        ("win_disk", "_Total", {"Percent_Idle_Time": 75.0}, "pc", {"disk_busy_ratio": 0.25}),
        ("win_disk", "C:", {"Percent_Idle_Time": 75.0}, "pc/C:", {"disk_busy_ratio": 0.25}),
        ("win_disk", "D:", {"Percent_Free_Space": 25.0}, "pc/D:", {"disk_used_ratio": 0.75}),
        ("win_diskio", "_Total", {"Disk_Reads_persec": 4.0}, "pc", {"disk_reads": 4.0}),
        ("win_diskio", "0 C:", {"Disk_Write_Bytes_persec": 4.0}, "pc/0 C:", {"disk_write_bytes": 4.0}),
        (
            "win_net",
            "Intel",
            {"Bytes_Received_persec": 4.0, "Packets_Outbound_Errors": 3},
            "pc/Intel",
            {"network_receive_bytes": 4.0, "network_transmit_errors": counter(3.0)},
        ),
        (
            "win_system",
            "",
            {"Context_Switches_persec": 4.0, "System_Up_Time": 60.0, "Processes": 9, "Threads": 30},
            "pc",
            {"context_switches": 4.0, "uptime_seconds": 60.0, "process_count": 9.0, "thread_count": 30.0},
        ),
    ],
)
def test_windows_counters_are_base_metrics_of_the_computer_that_was_asked(
    name: str, instance: str, fields: dict[str, float], entity: str, metrics: dict[str, Any]
) -> None:
    tags = {"host": "poller", "source": "pc", "objectname": "x"} | ({"instance": instance} if instance else {})
    (event,) = events(telegraf(name, tags, **fields))
    assert (event["entity"], event["kind"], event["metrics"]) == (entity, "host", metrics)
    assert event["attributes"] == {"host": "pc", "agent": "poller"}


def test_what_no_rule_takes_of_windows_is_a_metric_of_that_computer() -> None:
    tags = {"host": "pc", "source": "pc", "objectname": "LogicalDisk", "instance": "HarddiskVolume1"}
    (event,) = events(telegraf("win_disk", tags, Percent_Free_Space=25.0))
    name = "win_disk_Percent_Free_Space{instance=HarddiskVolume1,objectname=LogicalDisk}"
    assert seen(event) == ("pc", "metric", 0, {"host": "pc"}, {name: 25.0})


def test_a_devices_own_loopback_is_no_part_of_it() -> None:
    tags = {"host": "poller", "source": "nas-1", "ifName": "lo"}
    (event,) = events(telegraf("interface", tags, ifHCInOctets=10))
    assert (event["entity"], event["kind"]) == ("nas-1", "metric")


def test_a_file_replaces_the_sections_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "machines.yaml"
    path.write_text("host:\n  - {from: 'cpu_*', name: cpu_ratio, where: {cpu: [all]}}\n")
    machines = Machines(load_machines(str(path)))
    assert machines.base("cpu_busy", 0.5, 0, {"cpu": "all"}) == ("cpu_ratio", 0.5, 0, "")
    assert machines.base("cpu_busy", 0.5, 0, {"cpu": "0"}) is None
    assert machines.base("mem_used", 0.5, 0, {}) is None
    tags = {"sysName": "r", "source": "s"}
    assert machines.owner(machines.owner_tags("any", [], tags), tags) == "r"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("host: [{from: a}]", "host.0.name: Field required"),
        ("host: [{from: a, name: b, scale: much}]", "host.0.scale"),
        ("hosts: []", "hosts: Extra inputs are not permitted"),
        ("- a", "expected sections: owner, host"),
        ("host: [", "is not YAML"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "machines.yaml"
    path.write_text(text)
    with pytest.raises(MappingError, match=r"machines\.yaml") as caught:
        load_machines(str(path))
    assert told in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_its_setting() -> None:
    with pytest.raises(MappingError, match="FAULTLINE_INTAKE__MACHINES"):
        load_machines("/nowhere.yaml")
