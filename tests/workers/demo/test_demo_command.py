"""`faultline demo` as its users meet it: with real workers as processes, in a terminal or not, and stopped half way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.cli import faultline

LAST_LINE = re.compile(
    r"demo: (\d+) events, (\d+) vectors, (\d+) scores, (\d+) opened, (\d+) resolved, "
    r"precision ([\d.]+), recall ([\d.]+)"
)


def _orphans() -> set[int]:
    """Processes of demos that have lost their parent."""
    marks = ("workers.demo.broker", "workers.cli.main")
    found = set()
    for process in psutil.process_iter(["cmdline", "ppid"]):
        line = " ".join(process.info["cmdline"] or [])
        if process.info["ppid"] == 1 and any(mark in line for mark in marks):
            found.add(process.pid)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_finds_what_is_true_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = _orphans()
    finished = faultline("demo", "--services", "3", "--output-dir", str(tmp_path), timeout=580)
    assert finished.code == 0, finished.err
    lines = finished.out.splitlines()
    told = LAST_LINE.fullmatch(lines[-1])
    assert told, lines[-1]
    events, vectors, scores, opened, resolved = (int(number) for number in told.groups()[:5])
    assert events > 300_000
    assert vectors == scores == 3 * 288  # a vector for every service and pane of a day
    assert opened >= resolved > 0
    assert float(told[6]) >= 0.9
    assert float(told[7]) >= 0.9
    assert sum(" OPEN " in line for line in lines) == opened
    assert any(line.startswith("Truth against found") for line in lines)
    told_life = lines[next(n for n, line in enumerate(lines) if line.startswith("The life of one incident")) :]
    assert [any(f"  {kind} " in line for line in told_life) for kind in ("CREATE", "RESOLVE", "CLOSED")] == [True] * 3
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("timeline.png", "scores.png"))
    assert _orphans() <= before


@pytest.mark.slow
def test_the_demo_on_this_machine_shows_samples_until_it_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers.cli.main", "demo", "--host", "--interval", "0.5"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told: list[str] = []
    deadline = time.monotonic() + 100
    while not (told and "newest score" in told[-1]) and time.monotonic() < deadline:
        told.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 0, err
    assert "newest score" in told[-1], "".join(told)
    assert re.search(r"stopped: \d+ samples, \d+ vectors, \d+ incidents opened", out)


@pytest.mark.slow
def test_stopping_the_demo_ends_every_process_of_it(tmp_path: Path) -> None:
    before = _orphans()
    command = [sys.executable, "-m", "workers.cli.main", "demo", "--output-dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert "starting" in process.stdout.readline()
    children = _await_children(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "stopped before the end" in err
    _, alive = psutil.wait_procs(children, timeout=5)  # Python's own helper processes end after their parent
    assert not alive
    assert _orphans() <= before


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_demo_with_the_end_of_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "workers.cli.main", "demo", "--output-dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = _await_children(process.pid)
    victim = next(child for child in children if child.cmdline()[-2:] == ["worker", "windows"])
    victim.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "windows ended by SIGKILL" in err


def test_a_folder_that_cannot_be_made_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finished = faultline("demo", "--output-dir", str(tmp_path / "file" / "out"))
    assert finished.code == 2
    assert "--output-dir" in finished.err


def _await_children(pid: int, least: int = 5) -> list[psutil.Process]:
    """The demo's processes once they are there: broker, Redis, three workers."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        children = psutil.Process(pid).children(recursive=True)
        if len(children) >= least:
            return children
        time.sleep(0.1)
    raise AssertionError(f"{os.getpid()}: the demo of {pid} started too little")
