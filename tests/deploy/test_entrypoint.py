"""The image's entry point: kernels can be used where nothing can be written."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "deploy" / "entrypoint.sh"
NOBODY = 65534


@pytest.fixture
def image() -> Iterator[dict[str, str]]:
    """A `faultline` that tells where its kernels are, and a folder of kernels. Not pytest's folder: that is private."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder, mode in (("", 0o755), ("bin", 0o755), ("kernels", 0o755), ("tmp", 0o777)):
            (root / folder).mkdir(exist_ok=True)
            (root / folder).chmod(mode)
        (root / "kernels" / "one.nbc").write_text("compiled")
        command = root / "bin" / "faultline"
        command.write_text('#!/bin/sh\necho "$NUMBA_CACHE_DIR $*"\n')
        command.chmod(0o755)
        yield {
            "PATH": f"{root / 'bin'}:/usr/bin:/bin",
            "NUMBA_CACHE_DIR": str(root / "kernels"),
            "TMPDIR": str(root / "tmp"),
        }


def run(env: dict[str, str], *arguments: str) -> list[str]:
    user = NOBODY if os.getuid() == 0 else None  # root can write everywhere
    script = ENTRYPOINT.read_text()
    done = subprocess.run(
        ["/bin/sh", "-c", script, "entrypoint", *arguments],
        env=env,
        user=user,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.split()


def test_a_folder_that_can_be_written_to_is_used_as_it_is(image: dict[str, str]) -> None:
    Path(image["NUMBA_CACHE_DIR"]).chmod(0o777)
    assert run(image, "worker", "windows") == [image["NUMBA_CACHE_DIR"], "worker", "windows"]


def test_a_read_only_folder_is_copied_once(image: dict[str, str]) -> None:
    Path(image["NUMBA_CACHE_DIR"]).chmod(0o555)
    copy = Path(image["TMPDIR"]) / "faultline-kernels"
    assert run(image, "status") == [str(copy), "status"]
    assert (copy / "one.nbc").read_text() == "compiled"
    assert run(image, "status") == [str(copy), "status"]
    Path(image["NUMBA_CACHE_DIR"]).chmod(0o755)


def test_without_a_folder_nothing_is_done(image: dict[str, str]) -> None:
    assert run({**image, "NUMBA_CACHE_DIR": ""}, "--version") == ["--version"]
