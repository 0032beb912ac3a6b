"""The jars of a Kafka broker, fetched once through Maven into the repo's `.cache` folder."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import FileLock

from tests.support.process import Missing

KAFKA = "4.1.0"
_LOG4J = "2.24.3"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_INSTALL = "apt-get install -y openjdk-17-jre-headless maven"

_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>faultline</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{_LOG4J}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>{_LOG4J}</version></dependency>
  </dependencies>
</project>
"""

CACHE = Path(__file__).parents[2] / ".cache" / "kafka" / KAFKA


def java() -> str:
    """The `java` on the path. `Missing` where there is none."""
    found = shutil.which("java")
    if not found:
        raise Missing(f"no Docker engine answers and there is no java (17 or newer) on the path. Install: {_INSTALL}")
    return found


def class_path(cache: Path = CACHE) -> str:
    """The class path of the broker; the first call on a machine downloads 43 MB. `Missing` says what to install."""
    libs = cache / "libs"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".lock"):
        if not libs.is_dir():
            _fetch(libs)
    return f"{libs}/*"


def _fetch(libs: Path) -> None:
    mvn = shutil.which("mvn")
    if not mvn:
        raise Missing(f"no Docker engine answers and there is no Maven on the path. Install: {_INSTALL}")
    with tempfile.TemporaryDirectory(dir=libs.parent) as scratch:
        pom = Path(scratch, "pom.xml")
        pom.write_text(_POM)
        fetched = Path(scratch, "libs")
        done = subprocess.run(
            [mvn, "-q", "-B", "-f", str(pom), _PLUGIN, f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"],
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise Missing(f"Maven could not fetch Kafka {KAFKA} (is its repository reachable?):\n{done.stdout[-2000:]}")
        fetched.rename(libs)  # whole or not at all
