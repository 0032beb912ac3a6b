"""The `faultline` command as its users meet it: a process with arguments, an environment, output and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from workers.cli.main import main


@dataclass(frozen=True, slots=True)
class Finished:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        assert self.out, f"nothing on standard output, code {self.code}; on standard error:\n{self.err}"
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as one JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs, to be signalled and listened to. It has ended when the block has, in any case."""
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.cli.main", *arguments],
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def faultline(*arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Finished:
    """Run the command to its end. The only `FAULTLINE_…` variables it sees are those of `env`."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli.main", *arguments],
        env=_environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def faultline_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, env: Mapping[str, str]
) -> Finished:
    """The same in this process, which keeps `env`: for many calls, as a process takes a second or more to begin."""
    for name in [name for name in os.environ if name.startswith("FAULTLINE_")]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["faultline", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return Finished(int(left.value.code or 0), out, err)


def _environment(own: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FAULTLINE_")}
    return {**inherited, "COLUMNS": "200", "NO_COLOR": "1", **(own or {})}
