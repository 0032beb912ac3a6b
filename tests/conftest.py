"""Fixtures that every test may ask for: one real Kafka and one real Redis, started once a session on first use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.broker import Broker
from tests.support.redis_server import RedisAt
from tests.support.services import some_kafka, some_redis


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """A real broker, shared by the session: use `kafka.unique()` for topics, groups and namespaces."""
    with some_kafka() as bootstrap_servers:
        yield Broker(bootstrap_servers)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisAt]:
    """A real Redis, shared by the session: use keys of your own, and never flush or configure it."""
    with some_redis() as server:
        yield server
