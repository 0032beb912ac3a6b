"""Exercises on this machine: each does what it says within its bounds, and leaves nothing, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.installation import FAULTLINE, eventually
from workers.attacks.keeper import PREFIX
from workers.attacks.kinds import KINDS, OutOfBounds, Wish

pytestmark = pytest.mark.slow

SMALL = {
    "cpu": ["--cores", "1"],
    "fork": ["--alive", "10", "--rate", "50"],
    "files": ["--megabytes", "2", "--rate", "5"],
    "leak": ["--megabytes", "20"],
    "logs": ["--rate", "5000", "--megabytes", "1"],
    "ports": ["--connections", "20", "--rate", "100"],
    "exfil": ["--rate", "2"],
}


@pytest.fixture(name="folder")
def temporary_folder() -> Iterator[Path]:
    """A folder for everything temporary, so that other runs on the machine are not in the way."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def start(folder: Path, kind: str, seconds: str, *more: str) -> subprocess.Popen[str]:
    argv = [str(FAULTLINE), "attack", kind, "--seconds", seconds, "--yes", "--json", *SMALL[kind], *more]
    env = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def leftovers(folder: Path) -> list[Path]:
    return list(folder.glob(f"{PREFIX}*"))


def test_each_exercise_does_what_it_says_and_leaves_nothing(folder: Path) -> None:
    all_at_once = {kind: start(folder, kind, "2") for kind in KINDS}
    for kind, running in all_at_once.items():
        told, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
        did = json.loads(told)
        assert did["kind"] == kind
        assert not did["stopped"]
        amount = [value for name, value in did.items() if name not in ("kind", "technique", "stopped", "seconds")]
        assert min(amount) > 0, kind
    assert leftovers(folder) == []


def its_processes(command: psutil.Process, name: str) -> list[psutil.Process]:
    return [child for child in command.children(recursive=True) if name in " ".join(child.cmdline())]


def kill_command(command: psutil.Process, keeper: psutil.Process) -> None:
    command.kill()


def stop_command(command: psutil.Process, keeper: psutil.Process) -> None:
    command.send_signal(signal.SIGTERM)


def kill_keeper(command: psutil.Process, keeper: psutil.Process) -> None:
    keeper.kill()


@pytest.mark.parametrize("end", [kill_command, stop_command, kill_keeper])
def test_however_it_is_ended_its_processes_and_files_go(
    end: Callable[[psutil.Process, psutil.Process], None], folder: Path
) -> None:
    running = start(folder, "fork", "120")
    command = psutil.Process(running.pid)
    eventually(lambda: len(its_processes(command, "workers.attacks.crew")) > 5, 60, "the crew is at work")
    (keeper,) = its_processes(command, "workers.attacks.keeper")
    children = command.children(recursive=True)
    end(command, keeper)
    running.communicate(timeout=30)
    eventually(lambda: not [child for child in children if _lives(child)], 30, "all processes have ended")
    eventually(lambda: leftovers(folder) == [], 30, "the folder is gone")


def test_what_two_kills_left_is_removed_by_the_next_exercise(folder: Path) -> None:
    running = start(folder, "leak", "120")
    command = psutil.Process(running.pid)
    eventually(lambda: bool(its_processes(command, "workers.attacks.crew")), 60, "the crew is at work")
    (keeper,) = its_processes(command, "workers.attacks.keeper")
    keeper.suspend()  # one that is stopped cannot tidy up between the two kills
    command.kill()
    keeper.kill()
    running.communicate(timeout=30)
    eventually(lambda: not _lives(keeper), 30, "the keeper is dead")
    left = leftovers(folder)
    assert len(left) == 1
    _, said = start(folder, "leak", "1").communicate(timeout=60)
    assert [each for each in left if str(each) not in said] == [], said
    assert leftovers(folder) == []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nothing_is_done_where_nobody_can_be_asked() -> None:
    done = subprocess.run(
        [FAULTLINE, "attack", "cpu"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "For 60 s this will keep all" in done.stderr
    assert "nothing was done: say --yes" in done.stderr


def test_what_could_hurt_is_refused_with_the_bound_of_this_machine() -> None:
    with pytest.raises(OutOfBounds, match="--megabytes is between 1 and"):
        Wish("leak", 60, {"megabytes": 1e9})
    with pytest.raises(OutOfBounds, match="--cores is between 0 and"):
        Wish("cpu", 60, {"cores": 100_000})
    with pytest.raises(OutOfBounds, match="--seconds is between 1 and 3600"):
        Wish("cpu", 7200, {"cores": 1})


def test_a_crew_whose_parent_is_gone_does_nothing(folder: Path) -> None:
    wish = json.dumps({"kind": "files", "seconds": 60, "values": {"megabytes": 1, "rate": 1}})
    argv = [sys.executable, "-m", "workers.attacks.crew", wish, str(folder), "999999999"]
    began = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, list(folder.iterdir())) == (0, "", [])
    assert time.monotonic() - began < 60
