"""A real server of the S3 protocol as a process of its own, from Maven's jars: S3Proxy, with its objects in memory."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import s3fs

from tests.support import maven
from tests.support.kafka_jars import java
from tests.support.process import Daemon, free_port

VERSION = "4.1.0"
CACHE = Path(__file__).parents[2] / ".cache" / "s3proxy" / VERSION
KEY, SECRET = "faultline", "only-for-tests"

_ARTIFACTS = (
    "com.fasterxml.jackson.core:jackson-annotations:2.21",  # Maven would take an older one, which lacks a class
    f"org.gaul:s3proxy:{VERSION}",
)
_LOGBACK = (
    '<configuration><appender name="out" class="ch.qos.logback.core.ConsoleAppender"><encoder>'
    "<pattern>%d %level %logger{0} %msg%n</pattern></encoder></appender>"
    '<root level="warn"><appender-ref ref="out"/></root></configuration>'
)


class S3Server:
    """Started by `with`; ends and forgets its objects with the block."""

    def __init__(self) -> None:
        class_path = maven.jars(_ARTIFACTS, CACHE, "S3Proxy", "apt-get install -y openjdk-17-jre-headless maven")
        self.home = Path(tempfile.mkdtemp(prefix="faultline-s3-"))
        self.url = f"http://127.0.0.1:{free_port()}"
        (self.home / "logback.xml").write_text(_LOGBACK)
        (self.home / "s3proxy.conf").write_text(
            f"s3proxy.endpoint={self.url}\n"
            "s3proxy.authorization=aws-v2-or-v4\n"
            f"s3proxy.identity={KEY}\n"
            f"s3proxy.credential={SECRET}\n"
            "jclouds.provider=transient-nio2\n"
        )
        self._argv = [
            java(),
            *("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            f"-Dlogback.configurationFile={self.home / 'logback.xml'}",
            *("-cp", class_path),
            *("org.gaul.s3proxy.Main", "--properties", str(self.home / "s3proxy.conf")),
        ]
        self._daemon: Daemon | None = None

    @property
    def env(self) -> dict[str, str]:
        """What a process needs that is to use it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # nobody answers there, and the client would ask for seconds
        }

    def client(self) -> Any:
        """An fsspec file system of one's own, which has seen nothing yet and remembers nothing."""
        return s3fs.S3FileSystem(
            key=KEY,
            secret=SECRET,
            endpoint_url=self.url,
            client_kwargs={"region_name": "us-east-1"},
            skip_instance_cache=True,
            use_listings_cache=False,
        )

    def new_bucket(self) -> str:
        """The name of an empty bucket."""
        name = f"faultline-{uuid.uuid4().hex[:10]}"
        self.client().call_s3("create_bucket", Bucket=name)
        return name

    def freeze(self) -> None:
        """Accepts connections and never answers."""
        self._running.freeze()

    def thaw(self) -> None:
        self._running.thaw()

    def __enter__(self) -> Self:
        self._daemon = Daemon(self._argv, self.home / "server.log")
        self._daemon.wait_ready(self._answers, timeout=120)
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        with suppress(Exception):
            self.client().call_s3("list_buckets")
            return True
        return False

    @property
    def _running(self) -> Daemon:
        assert self._daemon is not None
        return self._daemon
