"""The chain of checkpoints over a real Redis, and what a reader may rely on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
import redis

from tests.support.redis_server import RedisAt, RedisServer
from tests.workers.runtime.checkpoint_contract import CheckpointContract
from workers.runtime.errors import Fatal, Retriable
from workers.runtime.records import View
from workers.runtime.redis_store import RedisStore

pytestmark = pytest.mark.integration


class TestCheckpointsInRedis(CheckpointContract):
    @pytest.fixture
    def client(self, redis_server: RedisAt) -> Iterator[redis.Redis]:
        with redis_server.client() as client:
            yield client

    @pytest.fixture
    def store(self, redis_server: RedisAt) -> Iterator[RedisStore]:
        store = RedisStore(redis_server.url, "chain-test.", timeout=5)
        yield store
        store.close()

    @pytest.fixture
    def scope(self) -> str:
        return f"stage:{uuid.uuid4().hex}:0"

    @pytest.fixture
    def damage(self, client: redis.Redis) -> Callable[[str, str], None]:
        def write_over(scope: str, key: str) -> None:
            client.set(f"chain-test.faultline:checkpoint:{{{scope}}}:{key}", b"damaged")

        return write_over

    def test_checkpoints_have_no_time_to_live_and_share_a_slot(
        self, store: RedisStore, scope: str, client: redis.Redis
    ) -> None:
        store.write(scope, {"a": b"1"})
        keys = list(client.scan_iter(f"chain-test.faultline:checkpoint:*{scope}*"))
        assert len(keys) == 2  # the value and the index
        assert {client.ttl(key) for key in keys} == {-1}
        assert all(b"{" + scope.encode() + b"}" in key for key in keys)

    def test_an_index_that_was_lost_is_made_anew_of_what_is_there(
        self, store: RedisStore, scope: str, client: redis.Redis
    ) -> None:
        awkward = scope + "[a-z]*?\\"
        store.write(scope, {"neighbour": b"1"})
        store.write(awkward, {"a": b"1", "b": b"2"})
        client.delete(f"chain-test.faultline:checkpoint:{{{awkward}}}:index")
        store.write(awkward, {"c": b"3"})
        assert store.keys(awkward) == {"a", "b", "c"}
        store.delete(awkward, ["a", "b", "c"])
        assert store.keys(awkward) == set()
        assert store.keys(scope) == {"neighbour"}


@pytest.fixture
def own() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_a_redis_that_may_evict_is_refused_with_the_fix(own: RedisServer) -> None:
    store = RedisStore(own.url, "", timeout=2)
    store.check()
    own.configure(maxmemory="10mb", maxmemory_policy="allkeys-lru")
    with pytest.raises(Fatal, match="noeviction"):
        store.check()


def test_every_way_in_which_redis_fails_is_retriable(own: RedisServer) -> None:
    store = RedisStore(own.url, "", timeout=0.3)
    store.write("s", {"a": b"1"})
    own.configure(maxmemory="1")
    with pytest.raises(Retriable, match="OutOfMemory"):
        store.write("s", {"b": b"x" * 1_000_000})
    own.configure(maxmemory="0")
    own.freeze()
    try:
        for call in (
            lambda: store.write("s", {"c": b"1"}),
            lambda: store.read("s", ["a"]),
            lambda: store.holds("s", ["a"]),
            lambda: store.keys("s"),
            lambda: store.delete("s", ["a"]),
            lambda: store.publish([View("v", b"1", 1, 60)]),
        ):
            with pytest.raises(Retriable, match="Timeout"):
                call()
    finally:
        own.thaw()
    own.stop()
    with pytest.raises(Retriable, match="Connection"):
        store.read("s", ["a"])
    own.start()
    assert store.read("s", ["a"]) == [None]


def test_a_view_is_overwritten_by_newer_ones_only_and_expires(own: RedisServer) -> None:
    store = RedisStore(own.url, "", timeout=2)
    store.publish([View("v", b"two", 2, 60)])
    store.publish([View("v", b"one", 1, 60), View("w", b"other", 1, 60)])
    with own.client() as client:
        assert client.hgetall("v") == {b"version": b"2", b"data": b"two"}
        assert client.hgetall("w") == {b"version": b"1", b"data": b"other"}
        assert 0 < client.ttl("v") <= 60
    store.publish([View("v", b"three", 3, 30)])
    with own.client() as client:
        assert client.hget("v", "data") == b"three"


def test_views_survive_a_redis_that_forgot_its_scripts(own: RedisServer) -> None:
    store = RedisStore(own.url, "", timeout=2)
    store.publish([View("v", b"1", 1, 60)])
    with own.client() as client:
        client.script_flush()
        client.flushall()
    store.publish([View("v", b"2", 2, 60)])
    with own.client() as client:
        assert client.hget("v", "data") == b"2"
