"""Fixtures that every test may ask for: one real Kafka and one real Redis, started once a session on first use."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.support.broker import Broker
from tests.support.opensearch_server import OpenSearchAt, some_opensearch
from tests.support.postgresql import MISSING, PostgreSQL, programs
from tests.support.redis_server import RedisAt
from tests.support.services import some_kafka, some_redis

# The first example of many compiles a kernel, and machines of CI are slow at times: no example has a deadline. In CI
# the examples are the same each time; whoever works on the code gets new ones.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what waits for real servers a second try: on a crowded machine a start may take longer than any test waits.

    The summary tells of every one. What looks for lost and doubled records under faults (tests/chaos) gets none.
    """
    for item in items:
        if item.get_closest_marker("integration") and "chaos" not in item.path.parts:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands run in this process set up its logs: no other test is to write, or to be silent, as they said."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real PostgreSQL, shared by the session: use `postgresql.new_database()`. Skipped, saying so, without one."""
    if programs() is None:
        pytest.skip(MISSING)
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def opensearch() -> Iterator[OpenSearchAt]:
    """A real OpenSearch, shared by the session: use `opensearch.index()` for indices of your own."""
    with some_opensearch() as server:
        yield server
