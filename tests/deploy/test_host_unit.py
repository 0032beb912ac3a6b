"""The host agent's systemd unit: what it starts exists, and systemd understands every line of it."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from workers.cli.main import COMMANDS, load

UNIT = Path(__file__).parents[2] / "deploy" / "faultline-host.service"


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def test_it_starts_the_host_agent_with_options_that_there_are() -> None:
    program, *words = service()["ExecStart"].split()
    assert program.endswith("/faultline")
    command: Any = load({entry.name: entry for entry in COMMANDS}[words.pop(0)])
    command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_it_has_one_capability_and_can_gain_no_other() -> None:
    assert service()["AmbientCapabilities"] == service()["CapabilityBoundingSet"] == "CAP_SYS_PTRACE"
    assert service()["NoNewPrivileges"] == "yes"


def test_what_hides_the_machine_from_it_is_not_set() -> None:
    assert not {"ProtectProc", "ProcSubset", "PrivateNetwork", "PrivateDevices", "PrivatePIDs"} & set(service())


def test_systemd_has_nothing_to_say_against_it(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on the path. Install: apt-get install -y --no-install-recommends systemd")
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/faultline/bin/faultline", "/bin/true"))
    done = subprocess.run([program, "verify", copy], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
