"""The chain of checkpoints over the model's Redis; so the model is held to the same contract as the real one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.model.chance import Chance
from tests.model.redis import ModelStore, Redis
from tests.workers.runtime.checkpoint_contract import CheckpointContract, parts
from workers.runtime.checkpoints import CheckpointChain
from workers.runtime.errors import Retriable
from workers.runtime.records import View


class Calm:
    """A process to which nothing happens."""

    def __init__(self) -> None:
        self.chance = Chance(0, rate=0.0, most=0)

    def touch(self, where: str) -> None: ...

    def wait(self, seconds: float) -> None: ...

    def needed(self, scope: str) -> set[str]:
        return set()

    def published(self, view: View) -> None: ...


class TestCheckpointsInMemory(CheckpointContract):
    @pytest.fixture
    def redis(self) -> Redis:
        return Redis()

    @pytest.fixture
    def store(self, redis: Redis) -> ModelStore:
        return ModelStore(redis, Calm())

    @pytest.fixture
    def scope(self) -> str:
        return "stage:topic:0"

    @pytest.fixture
    def damage(self, redis: Redis) -> Callable[[str, str], None]:
        return lambda scope, key: redis.scopes[scope].update({key: b"damaged"})

    def test_a_failed_write_names_nothing_and_is_swept_later(self, redis: Redis, store: ModelStore) -> None:
        chain = CheckpointChain(store, "s")
        first = chain.write(parts({"a": (1, b"a")}), 1)
        redis.down = True
        with pytest.raises(Retriable):
            chain.write(parts({"a": (2, b"aa")}), 2)
        redis.down = False
        assert chain.ref == first
        redis.store("s", dict.fromkeys(chain.strays, b"arrived late"))
        chain.collect()
        assert store.keys("s") == {first.id} | chain.live[0][1]
