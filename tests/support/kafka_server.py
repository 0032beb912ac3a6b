"""A real single-node Kafka (KRaft) that tests may stop, kill and bring back on the same port with the same data."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.support import kafka_jars
from tests.support.process import Daemon, free_port

CLUSTER_ID = "ZmF1bHRsaW5lLXRlc3RzMQ"

DEFAULTS: Mapping[str, str] = {
    # A killed node may not register again before its old session has ended: 9 s by default.
    "broker.heartbeat.interval.ms": "250",
    "broker.session.timeout.ms": "2000",
    "auto.create.topics.enable": "false",  # a missing topic must be an error here, as in production
    "group.consumer.heartbeat.interval.ms": "500",  # a move between members takes one heartbeat
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.coordinator.threads": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.backoff.ms": "1000",
    "log.initial.task.delay.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    "num.network.threads": "2",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
}
"""What makes one node quick to start and rebalance. Time-outs themselves keep Kafka's defaults; only floors go down."""

_LOG4J = """rootLogger.level = WARN
rootLogger.appenderRef.stdout.ref = STDOUT
appender.stdout.type = Console
appender.stdout.name = STDOUT
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d %p %c{1}: %m%n
"""


class KafkaServer(ABC):
    """A broker to stop, kill, freeze. Port and data outlive a restart; `close` (or the `with` block) ends both."""

    def __init__(self, settings: Mapping[str, str] | None = None, users: Mapping[str, str] | None = None) -> None:
        """`users`: name → password of users without any right until an ACL grants it; see `as_user`."""
        self.port, self.user_port = free_port(), free_port()
        self.users = dict(users or {})
        self.settings = {**DEFAULTS, **(settings or {})}

    @property
    def bootstrap_servers(self) -> str:
        """Where clients may do anything."""
        return f"127.0.0.1:{self.port}"

    def as_user(self, name: str) -> dict[str, str]:
        """librdkafka options of a client that is this user, on the port where only users are let in."""
        return {
            "bootstrap.servers": f"127.0.0.1:{self.user_port}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": name,
            "sasl.password": self.users[name],
        }

    @abstractmethod
    def start(self) -> None:
        """Return when the broker answers. `RuntimeError` with the end of its log if it does not within a minute."""

    @abstractmethod
    def stop(self) -> None:
        """A controlled shutdown."""

    @abstractmethod
    def kill(self) -> None:
        """kill -9."""

    @abstractmethod
    def freeze(self) -> None: ...

    @abstractmethod
    def thaw(self) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """End it and delete its data."""

    def restart(self) -> None:
        self.stop()
        self.start()

    def answers(self) -> bool:
        """Whether the broker serves metadata now."""
        try:
            AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0}).list_topics(timeout=1)
        except KafkaException:
            return False
        return True

    def _properties(self, clients: str, users: str, controller: str) -> dict[str, str]:
        """server.properties with three listeners at host:port each, the one for users only where there are any."""
        listeners = {
            "PLAINTEXT": clients,
            "CONTROLLER": controller,
            **({"SASL_PLAINTEXT": users} if self.users else {}),
        }
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": controller,
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(f"{name}://{address}" for name, address in listeners.items()),
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
            ),
            **(self._authorizer() if self.users else {}),
            **self.settings,
        }

    def _authorizer(self) -> dict[str, str]:
        logins = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {logins};"
            ),
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class JavaKafka(KafkaServer):
    """The broker as a process of its own, from Maven's jars. `log` keeps everything that it said, over restarts."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        jvm: tuple[str, ...] = ("-Xmx512m",),
    ) -> None:
        super().__init__(settings, users)
        self._java, self._class_path, self._jvm = kafka_jars.java(), kafka_jars.class_path(), jvm
        self.home = Path(tempfile.mkdtemp(prefix="faultline-kafka-"))
        self.log = self.home / "server.log"
        self._config = self.home / "server.properties"
        self._daemon: Daemon | None = None
        self._format()

    def start(self) -> None:
        # The serial collector: several brokers share few cores here, and none of them holds much.
        argv = [*self._command(*self._jvm, "-XX:+UseSerialGC"), "kafka.Kafka", str(self._config)]
        self._daemon = Daemon(argv, self.log)
        self._daemon.wait_ready(self.answers, timeout=60)

    def stop(self) -> None:
        self._running.stop()

    def kill(self) -> None:
        self._running.kill()

    def freeze(self) -> None:
        self._running.freeze()

    def thaw(self) -> None:
        self._running.thaw()

    def close(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def _running(self) -> Daemon:
        if self._daemon is None:
            raise RuntimeError("this broker was never started")
        return self._daemon

    def _command(self, *jvm: str) -> list[str]:
        return [
            self._java,
            *jvm,
            f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}",
            "-cp",
            self._class_path,
        ]

    def _format(self) -> None:
        (self.home / "log4j2.properties").write_text(_LOG4J)
        here = "127.0.0.1"
        properties = self._properties(f"{here}:{self.port}", f"{here}:{self.user_port}", f"{here}:{free_port()}")
        properties["log.dirs"] = str(self.home / "data")
        self._config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        command = self._command("-Xmx128m", "-XX:TieredStopAtLevel=1")
        storage = ["kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", str(self._config)]
        done = subprocess.run([*command, *storage], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
