"""`faultline opensearch` without a command takes the flags of training or testing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import faultline
from workers.cli.failures import WrongUse
from workers.cli.opensearch_mode import with_mode


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        ([], ["train"]),
        (["--indices", "a,b", "--combine"], ["train", "--indices", "a,b", "--combine"]),
        (["--mode", "test", "--index", "a"], ["test", "--index", "a"]),
        (["--index", "a", "--mode=test"], ["test", "--index", "a"]),
        (["--mode", "train", "--index-serial", "1"], ["train", "--index-serial", "1"]),
    ],
)
def test_flags_without_a_command_are_those_of_the_mode(args: list[str], meant: list[str]) -> None:
    assert with_mode(["--non-interactive", *args]) == [meant[0], "--non-interactive", *meant[1:]]


@pytest.mark.parametrize("args", [["--mode", "tset"], ["--mode"], ["--mode="]])
def test_another_mode_is_wrong_use_and_the_two_are_named(args: list[str]) -> None:
    with pytest.raises(WrongUse, match="choose train or test"):
        with_mode(args)


@pytest.mark.timeout(600)  # commands that load everything
def test_piped_it_trains_and_asks_for_the_flags_that_it_takes(tmp_path: Path) -> None:
    env = {"FAULTLINE_OPENSEARCH__URL": "http://127.0.0.1:1", "FAULTLINE_REGISTRY__URL": str(tmp_path / "models")}
    bare = faultline("opensearch", env=env)
    assert bare.code == 2
    assert "--indices NAME" in bare.err
    named = faultline("opensearch", "--indices", "X", "--data-dir", str(tmp_path), env=env)
    assert named.code == 1
    assert "cannot be reached" in named.err
    helped = faultline("opensearch", "--help", env={**env, "COLUMNS": "160"})
    assert helped.code == 0
    assert "--mode" in helped.out
