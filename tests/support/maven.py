"""Jars of Java programs that tests need, fetched once through Maven."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from tests.support.process import Missing

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def jars(artifacts: Sequence[str], cache: Path, what: str, install: str) -> str:
    """The class path of `group:artifact:version`s with all they need; the first call on a machine downloads them.

    `Missing` says what to install, by the command `install`.
    """
    libs = cache / "libs"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):
        if not libs.is_dir():
            _fetch(artifacts, libs, what, install)
    return f"{libs}/*"


def _fetch(artifacts: Sequence[str], libs: Path, what: str, install: str) -> None:
    mvn = shutil.which("mvn")
    if not mvn:
        raise Missing(f"{what} for the tests comes by Maven, and there is none on the path. Install: {install}")
    with tempfile.TemporaryDirectory(dir=libs.parent) as scratch:
        pom = Path(scratch, "pom.xml")
        pom.write_text(_pom(artifacts))
        fetched = Path(scratch, "libs")
        done = subprocess.run(
            [mvn, "-q", "-B", "-f", str(pom), _PLUGIN, f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"],
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise Missing(f"Maven could not fetch {what} (is its repository reachable?):\n{done.stdout[-2000:]}")
        fetched.rename(libs)  # whole or not at all


def _pom(artifacts: Sequence[str]) -> str:
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in (artifact.split(":") for artifact in artifacts)
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>faultline</groupId><artifactId>for-tests</artifactId><version>1</version>"
        f"<dependencies>{wanted}</dependencies></project>"
    )
