"""The command line as a whole: overview, laziness, help, exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import faultline
from workers.cli.extras import needing
from workers.cli.failures import FAILED, WRONG_USE, Failure, WrongUse, explain
from workers.cli.main import COMMANDS, Entry, load
from workers.runtime.errors import Fatal
from workers.settings_sources import SettingsError


def leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command below a group, with its full name."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield name, command
        return
    for word, below in inner.items():
        yield from leaves(f"{name} {word}", below)


def test_the_overview_names_every_command_and_loads_none() -> None:
    done = faultline("--help")
    assert done.code == 0
    for entry in COMMANDS:
        assert entry.name in done.out
        assert entry.help[:40] in done.out
    script = (
        "import sys; from workers.cli.main import app\n"
        "try: app(['--help'], prog_name='faultline')\n"
        "except SystemExit: pass\n"
        "heavy = {'confluent_kafka', 'redis', 'numpy', 'numba', 'pandas', 'pydantic'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    checked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_explains_itself_with_an_example(entry: Entry) -> None:
    for name, command in leaves(entry.name, load(entry)):
        assert command.help, name
        assert "Example: " in command.help, name
        assert [option for option in command.params if not getattr(option, "help", "")] == [], name


def test_a_misspelt_command_is_wrong_use_and_the_right_one_is_named() -> None:
    done = faultline("topiks")
    assert done.code == 2
    assert "Did you mean 'topics'?" in done.err


def test_the_version_is_that_of_the_package() -> None:
    assert faultline("--version").out.startswith("faultline 0.")


def test_a_library_of_an_extra_that_is_missing_is_named_with_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(Failure, match=r"^faultline train needs pandas. Install: pip install 'faultline\[train\]'$"):
        load(Entry("train", "train", "", "", extra="train"))
    with (
        pytest.raises(Failure, match=r"^Parquet needs no\.such\. Install: .*\[sources\]'; or write CSV$"),
        needing("Parquet", "sources", "write CSV"),
    ):
        raise ModuleNotFoundError("No module named 'no.such'", name="no.such")


def test_a_module_of_our_own_that_is_missing_is_a_bug_and_no_extra() -> None:
    with pytest.raises(ModuleNotFoundError), needing("faultline train", "train"):
        raise ModuleNotFoundError("No module named 'workers.nothing'", name="workers.nothing")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError(["wrong"]), WRONG_USE),
        (WrongUse("wrong"), WRONG_USE),
        (Failure("wrong"), FAILED),
        (Fatal("wrong", "do this"), FAILED),
    ],
)
def test_expected_failures_become_one_line_and_a_code(error: Exception, code: int) -> None:
    explained = explain(error)
    assert explained is not None
    assert explained[0].startswith("wrong")
    assert explained[1] == code


def test_a_bug_keeps_its_traceback() -> None:
    assert explain(KeyError("bug")) is None
