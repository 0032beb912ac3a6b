"""The same broker out of a container, where a Docker engine answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tests.support.kafka_jars import KAFKA
from tests.support.kafka_server import CLUSTER_ID, KafkaServer

IMAGE = f"apache/kafka:{KAFKA}"


def engine_answers() -> bool:
    """Whether a Docker engine can be used from here. Never raises."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=3)
        answered = bool(client.ping())
        client.close()
    except (DockerException, OSError):
        return False
    return answered


class DockerKafka(KafkaServer):
    """A container with a fixed port, so that it comes back where its clients look for it."""

    def __init__(self, settings: Mapping[str, str] | None = None, users: Mapping[str, str] | None = None) -> None:
        from testcontainers.core.container import DockerContainer

        super().__init__(settings, users)
        self._container: Any = DockerContainer(IMAGE).with_bind_ports(9092, self.port)
        properties = self._properties(":9092", ":9094", "localhost:9093")
        del properties["controller.quorum.bootstrap.servers"]  # the image formats for a quorum with static voters
        properties["controller.quorum.voters"] = "1@localhost:9093"
        advertised = f"PLAINTEXT://127.0.0.1:{self.port}"
        if self.users:
            self._container.with_bind_ports(9094, self.user_port)
            advertised += f",SASL_PLAINTEXT://127.0.0.1:{self.user_port}"
        properties["advertised.listeners"] = advertised
        for name, value in properties.items():
            # The image's own rule: . is _, and _ is __ (as in the listener's name).
            self._container.with_env("KAFKA_" + name.replace("_", "__").replace(".", "_").upper(), value)
        self._container.with_env("CLUSTER_ID", CLUSTER_ID)
        self._started = False

    def start(self) -> None:
        if self._started:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._started = True
        deadline = time.monotonic() + 60
        while not self.answers():
            if time.monotonic() > deadline:
                out, err = self._container.get_logs()
                raise RuntimeError(f"{IMAGE} was not ready after 60 s:\n{out.decode()[-3000:]}{err.decode()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=20)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self._container.get_wrapped_container().unpause()

    def close(self) -> None:
        if self._started:
            self._container.stop(force=True, delete_volume=True)
