"""The parts of the host agent on machines made of files: process tables, links, containers, totals, suspicion."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.sources.host.container import Container, limited
from workers.sources.host.disks import busiest, is_partition
from workers.sources.host.missing import Missing
from workers.sources.host.network import LINK_METRICS, links, sockets
from workers.sources.host.paths import Paths
from workers.sources.host.process_table import ProcessTable
from workers.sources.host.processes import Hidden
from workers.sources.host.sampler import Sampler
from workers.sources.host.shares import CpuReading, cpu_shares
from workers.sources.host.suspicion import TURNS, Suspicion, rule
from workers.sources.host.totals import Totals

GIB = 1 << 30


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


# ------------------------------------------------------------------------------------------------------------- totals


def test_a_total_goes_on_where_a_device_goes_and_comes_back() -> None:
    totals = Totals(1)
    assert totals.add({"eth0": (100,), "veth1": (5_000,)}) is None
    assert totals.add({"eth0": (110,), "veth1": (5_001,)}) == (11,)
    assert totals.add({"eth0": (120,)}) == (21,)
    assert totals.add({"eth0": (130,), "veth1": (9_000,)}) == (31,)


def test_a_device_that_begins_again_counts_from_nothing() -> None:
    totals = Totals(1)
    totals.add({"eth0": (100,)})
    assert totals.add({"eth0": (7,)}) == (7,)


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 1_000).map(lambda n: (float(n),))), min_size=2))
def test_a_total_never_falls(readings: list[dict[str, tuple[float]]]) -> None:
    totals, last = Totals(1), 0.0
    for reading in readings:
        found = totals.add(reading)
        if found is not None:
            assert found[0] >= last
            last = found[0]


# ----------------------------------------------------------------------------------------------------------- processes


def stat(pid: int, name: str, *, cpu: int = 0, pages: int = 1, threads: int = 1, start: int = 1) -> str:
    fields = ["0"] * 50
    fields[0], fields[11], fields[17], fields[19], fields[21] = "S", str(cpu), str(threads), str(start), str(pages)
    return f"{pid} ({name}) {' '.join(fields)}\n"


def test_processes_are_read_with_whatever_name_they_gave_themselves(tmp_path: Path) -> None:
    write(tmp_path / "1" / "stat", stat(1, "init", threads=3))
    write(tmp_path / "7" / "stat", stat(7, "a) (b 1 2", cpu=250, pages=10))
    (tmp_path / "7" / "exe").symlink_to("/dev/shm/x")
    write(tmp_path / "cpuinfo", "no process")
    found = ProcessTable(tmp_path, Missing()).read()
    assert {process.name for process in found.values()} == {"init", "a) (b 1 2"}
    odd = found[(7, 1.0)]
    assert odd.cpu_seconds == pytest.approx(2.5)
    assert odd.suspicious
    assert not found[(1, 1.0)].suspicious


def test_a_process_that_vanishes_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "1" / "stat", stat(1, "init"))
    (tmp_path / "8").mkdir()  # its folder is there still, its file is not
    write(tmp_path / "9" / "stat", "9 (cut of")
    assert list(ProcessTable(tmp_path, Missing()).read()) == [(1, 1.0)]


def test_where_processes_of_others_are_hidden_nothing_is_said_of_processes(tmp_path: Path) -> None:
    write(tmp_path / "1" / "stat", stat(1, "init"))
    table = ProcessTable(tmp_path, Missing())
    (tmp_path / "1" / "stat").unlink()
    (tmp_path / "1").rmdir()
    write(tmp_path / "500" / "stat", stat(500, "own"))
    with pytest.raises(Hidden):
        table.read()


def test_where_most_programs_may_not_be_seen_none_is_called_suspicious(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: ProcessTable, pid: str) -> str:
        raise PermissionError(pid)

    monkeypatch.setattr(ProcessTable, "_program", refuse)
    sampler = Sampler()
    values = sampler.sample(0.0, 1e9)
    assert "process_suspicious" not in values
    assert "process_count" in values
    assert sampler.missing.counts["process_suspicious"] == 1


@pytest.mark.parametrize(
    ("name", "program", "broken"),
    [
        ("nginx", "/usr/sbin/nginx", ""),
        ("kdevtmpfsi", "/tmp/kdevtmpfsi", "temporary"),
        ("x", "/dev/shm/x", "temporary"),
        ("sshd", "/usr/sbin/sshd (deleted)", "deleted"),
        ("a", "/memfd:payload (deleted)", "deleted"),
        (".x", "/home/a/.x", "hidden"),
        ("code", "/home/a/.local/bin/code", ""),
        ("kworker/0:1", "/usr/bin/perl", "masked"),
        ("[kthreadd]", "/opt/x", "masked"),
        ("kworker/0:1", "", ""),
    ],
)
def test_suspicion_follows_the_stated_rules(name: str, program: str, broken: str) -> None:
    assert rule(name, program) == broken


def test_a_program_is_asked_for_again_in_turns_and_at_a_new_name() -> None:
    suspicion, asked = Suspicion(), 0

    def program() -> str:
        nonlocal asked
        asked += 1
        return "/usr/bin/a"

    for _ in range(3 * TURNS):
        suspicion.begin()
        suspicion.of((5, 1.0), "a", program)
    assert asked in (3, 4)
    suspicion.begin()
    assert suspicion.of((5, 1.0), "b", lambda: "/tmp/b")


# ------------------------------------------------------------------------------------------------------ network, disks

DEV = """Inter-| Receive | Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0
  eth0: 5 4 3 2 0 0 0 0 9 8 7 6 0 0 0 0
veth12: 50 40 0 0 0 0 0 0 90 80 0 0 0 0 0 0
"""


def machine(root: Path) -> Paths:
    write(root / "proc" / "1" / "net" / "dev", DEV)
    return Paths(root / "proc", root / "sys", root)


def test_only_links_with_hardware_behind_them_count(tmp_path: Path) -> None:
    paths = machine(tmp_path)
    (tmp_path / "sys" / "class" / "net" / "eth0" / "device").mkdir(parents=True)
    assert links(paths, loopback=False) == {"eth0": (5, 4, 3, 2, 9, 8, 7, 6)}
    assert dict(zip(LINK_METRICS, links(paths, loopback=False)["eth0"], strict=True))["network_transmit_drops"] == 6


def test_without_any_hardware_all_but_bridges_and_loopback_count(tmp_path: Path) -> None:
    assert set(links(machine(tmp_path), loopback=False)) == {"eth0"}
    assert set(links(machine(tmp_path), loopback=True)) == {"eth0", "lo"}


def test_sockets_are_counted_by_whether_they_listen(tmp_path: Path) -> None:
    paths = machine(tmp_path)
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100\n"
    write(paths.net / "tcp", head + row.format(state="0A") + row.format(state="01") + row.format(state="02"))
    write(paths.net / "udp", head + row.format(state="07"))
    assert sockets(paths) == {"connections": 3, "connections_listen": 1}


def test_a_whole_disk_is_told_from_its_partitions() -> None:
    names = {"sda": 0, "sda1": 0, "nvme0n1": 0, "nvme0n1p2": 0, "vda": 0}
    assert {name for name in names if is_partition(name, names)} == {"sda1", "nvme0n1p2"}


def test_the_busiest_disk_is_never_busier_than_all_the_time() -> None:
    assert busiest({"a": 500.0, "b": 100.0}, {"a": 0.0, "b": 0.0}, 1.0) == 0.5
    assert busiest({"a": 9_000.0}, {"a": 0.0}, 1.0) == 1.0
    assert busiest({"a": 100.0}, {"a": 10_000.0}, 1.0) == 0.1
    assert busiest({"new": 1.0}, {}, 1.0) is None


# ----------------------------------------------------------------------------------------------------------------- CPU


def cores(*seconds: tuple[float, float, float, float]) -> CpuReading:
    import numpy as np

    return CpuReading(np.array(seconds), ("user", "system", "idle", "iowait"))


def test_shares_of_cores_are_of_the_time_between_two_readings() -> None:
    shares = cpu_shares(cores((0, 0, 0, 0), (0, 0, 0, 0)), cores((1, 1, 6, 2), (5, 5, 0, 0)))
    assert shares["cpu_ratio"] == pytest.approx(0.6)
    assert shares["cpu_core_0_ratio"] == pytest.approx(0.2)
    assert shares["cpu_core_1_ratio"] == 1.0
    assert shares["cpu_core_std_ratio"] == pytest.approx(0.4)
    assert shares["cpu_user_ratio"] == pytest.approx(0.3)
    assert shares["cpu_iowait_ratio"] == pytest.approx(0.1)


def test_no_shares_are_told_of_no_time_nor_while_cores_come_and_go() -> None:
    assert cpu_shares(cores((1, 1, 1, 1)), cores((1, 1, 1, 1))) == {}
    assert cpu_shares(cores((1, 1, 1, 1)), cores((2, 2, 2, 2), (2, 2, 2, 2))) == {}


# ----------------------------------------------------------------------------------------------------------- containers


def version_2(root: Path, cpu: str = "150000 100000", memory: str = str(2 * GIB)) -> Path:
    write(root / "cgroup.controllers", "cpu memory")
    write(root / "cpu.max", cpu)
    write(root / "cpu.stat", "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 5\n")
    write(root / "memory.max", memory)
    write(root / "memory.current", str(GIB))
    write(root / "memory.stat", f"anon 5\ninactive_file {GIB // 2}\n")
    return root


def version_1(root: Path) -> Path:
    write(root / "cpu" / "cpu.cfs_quota_us", "150000\n")
    write(root / "cpu" / "cpu.cfs_period_us", "100000\n")
    write(root / "cpuacct" / "cpuacct.usage", "3000000000\n")
    write(root / "cpuacct" / "cpuacct.stat", "user 200\nsystem 100\n")
    write(root / "memory" / "memory.limit_in_bytes", str(2 * GIB))
    write(root / "memory" / "memory.usage_in_bytes", str(GIB))
    write(root / "memory" / "memory.stat", f"total_inactive_file {GIB // 2}\n")
    return root


@pytest.mark.parametrize("files", [version_2, version_1])
def test_limits_of_a_container_are_read_in_both_versions(files: object, tmp_path: Path) -> None:
    assert callable(files)
    container = limited(64 * GIB, files(tmp_path))
    assert container is not None
    assert container.cores() == 1.5
    assert container.memory_limit(64 * GIB) == 2 * GIB
    assert container.memory_used() == GIB // 2
    times = container.cpu()
    assert times is not None
    assert [times.total, times.user, times.system] == pytest.approx([3, 2, 1])


def test_a_machine_without_limits_is_no_container(tmp_path: Path) -> None:
    assert limited(GIB, tmp_path) is None
    assert limited(GIB, version_2(tmp_path / "v2", "max 100000", "max")) is None
    write(tmp_path / "v1" / "memory" / "memory.limit_in_bytes", "9223372036854771712")
    assert limited(GIB, tmp_path / "v1") is None


def test_cpu_and_memory_of_a_container_are_shares_of_its_limits(tmp_path: Path) -> None:
    sampler = Sampler(scope="machine")
    sampler.container = Container(version_2(tmp_path, memory=str(1 << 20)))
    write(tmp_path / "memory.current", str(3 << 18))
    write(tmp_path / "memory.stat", "inactive_file 0\n")
    sampler.sample(0.0, 1e9)
    write(tmp_path / "cpu.stat", "usage_usec 6000000\nuser_usec 5000000\nsystem_usec 1000000\n")
    values = sampler.sample(10.0, 1e9 + 10)
    assert values["cpu_ratio"] == pytest.approx(3 / 15)
    assert values["cpu_user_ratio"] == pytest.approx(3 / 15)
    assert values["cpu_system_ratio"] == 0
    assert "cpu_core_0_ratio" not in values
    assert (values["memory_total_bytes"], values["memory_used_ratio"]) == (1 << 20, 0.75)
    assert values["process_top5_memory_ratio"] == 1.0


def test_the_machine_around_a_container_is_no_container(tmp_path: Path) -> None:
    write(tmp_path / "1" / "stat", stat(1, "init"))
    assert Paths(tmp_path).mounted
    assert not Paths().mounted
    assert Paths(tmp_path).net == tmp_path / "1" / "net"
