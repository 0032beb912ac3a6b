"""Programs that exist as published Go modules only: each is built once into the repo's `.cache` folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock

from tests.support.process import Missing

CACHE = Path(__file__).parents[3] / ".cache"

# The module proxy is asked for the pinned versions alone; the checksum database is one more server to be reachable.
_ENV = {"GOSUMDB": "off", "CGO_ENABLED": "0"}

_PATIENCE = 1_500
"""Seconds that one step may take: the first build downloads hundreds of modules and compiles them all."""


def built(name: str, version: str, build: Callable[[Path, Path], None]) -> Path:
    """The program `name` of that version; `build(scratch, target)` makes the file `target` where it is not there."""
    folder = CACHE / name / version
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    with FileLock(folder / ".lock"):
        if not program.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                made = Path(scratch) / name
                build(Path(scratch), made)
                made.rename(program)  # whole or not at all
    return program


def go(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run `go`: what it printed. `Missing` where there is none, or with the end of what it said where it failed."""
    found = shutil.which("go")
    if not found:
        raise Missing("no Go on the path. Install Go 1.24 or newer: https://go.dev/doc/install")
    return run(found, *arguments, cwd=cwd, env=env)


def run(*argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run one step of a build: what it printed."""
    # A folder inside this repo is not of this repo: no version control, and no module around it.
    environment = {**os.environ, **_ENV, "GOFLAGS": "-buildvcs=false", "GOWORK": "off", **(env or {})}
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=_PATIENCE)
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise Missing(f"{' '.join(argv)} failed (is the Go module proxy reachable?):\n{said}")
    return done.stdout
