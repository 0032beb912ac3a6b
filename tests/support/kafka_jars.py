"""The jars of a Kafka broker, fetched once through Maven into the repo's `.cache` folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support import maven
from tests.support.process import Missing

KAFKA = "4.1.0"
_LOG4J = "2.24.3"
_INSTALL = "apt-get install -y openjdk-17-jre-headless maven"

_ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{_LOG4J}",
    f"org.apache.logging.log4j:log4j-core:{_LOG4J}",
)

CACHE = Path(__file__).parents[2] / ".cache" / "kafka" / KAFKA


def java() -> str:
    """The `java` on the path. `Missing` where there is none."""
    found = shutil.which("java")
    if not found:
        raise Missing(f"no Docker engine answers and there is no java (17 or newer) on the path. Install: {_INSTALL}")
    return found


def class_path(cache: Path = CACHE) -> str:
    """The class path of the broker; the first call on a machine downloads 43 MB. `Missing` says what to install."""
    return maven.jars(_ARTIFACTS, cache, f"Kafka {KAFKA}", _INSTALL)
