"""A Redis in memory that fails, is slow, and forgets everything or some."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from tests.model.chance import Chance, Violation
from workers.runtime.errors import Retriable
from workers.runtime.records import View


class Redis:
    """What all workers share. `lost` and `written` say when faults took a key and when it was stored, as numbers of a
    common sequence."""

    def __init__(self) -> None:
        self.scopes: dict[str, dict[str, bytes]] = {}
        self.views: dict[str, tuple[int, bytes]] = {}
        self.lost: dict[str, int] = {}
        self.written: dict[str, int] = {}
        self.sequence = 0
        self.down = False

    def store(self, scope: str, values: Mapping[str, bytes]) -> None:
        self.sequence += 1
        self.scopes.setdefault(scope, {}).update(values)
        self.written.update(dict.fromkeys(values, self.sequence))

    def lose(self, chance: Chance, everything: bool) -> int:
        """FLUSHALL, or every key with a chance of one in four."""
        count = 0
        self.sequence += 1
        for scope in self.scopes.values():
            gone = [key for key in scope if everything or chance.random.random() < 0.25]
            for key in gone:
                del scope[key]
            self.lost.update(dict.fromkeys(gone, self.sequence))
            count += len(gone)
        if everything:
            self.views.clear()
        return count


class Owner(Protocol):
    """The process that a port belongs to."""

    chance: Chance

    def touch(self, where: str) -> None:
        """Something reaches out of the process here: it may crash, freeze or be overtaken."""
        ...

    def wait(self, seconds: float) -> None: ...

    def needed(self, scope: str) -> set[str]:
        """The keys that commits name now."""
        ...

    def published(self, view: View) -> None:
        """Judges a view that others can see from now on."""
        ...


class ModelStore:
    """One worker's connection."""

    def __init__(self, redis: Redis, owner: Owner) -> None:
        self._redis, self._owner = redis, owner

    def write(self, scope: str, values: Mapping[str, bytes]) -> None:
        self._before("write")
        if taken := self._redis.written.keys() & values.keys():
            raise Violation(f"checkpoint keys written twice: {taken}")
        half = list(values)[: len(values) // 2]
        if self._owner.chance.fault("redis takes half a write", 0.5):
            self._redis.store(scope, {key: values[key] for key in half})
            raise Retriable("redis: out of memory")
        self._redis.store(scope, values)
        self._after("write")

    def read(self, scope: str, keys: Sequence[str]) -> list[bytes | None]:
        self._before("read")
        return [self._redis.scopes.get(scope, {}).get(key) for key in keys]

    def holds(self, scope: str, keys: Collection[str]) -> bool:
        self._before("holds")
        held = self._redis.scopes.get(scope, {})
        return all(key in held for key in keys)

    def keys(self, scope: str) -> set[str]:
        self._before("keys")
        return set(self._redis.scopes.get(scope, {}))

    def delete(self, scope: str, keys: Iterable[str]) -> None:
        self._before("delete")
        gone = set(keys)
        if named := gone & self._owner.needed(scope):
            raise Violation(f"deleted what a commit names: {len(named)} keys of {scope}")
        for key in gone:
            self._redis.scopes.get(scope, {}).pop(key, None)
        self._after("delete")

    def publish(self, views: Sequence[View]) -> None:
        self._before("publish")
        for view in views:
            self._owner.published(view)
            held = self._redis.views.get(view.key)
            if held is None or held[0] < view.version:
                self._redis.views[view.key] = (view.version, view.value)
        self._after("publish")

    def _before(self, call: str) -> None:
        self._owner.touch(f"redis {call}")
        if self._owner.chance.fault("redis is slow"):
            self._owner.wait(1.5)
        if self._redis.down:
            self._owner.wait(0.5)
        if self._redis.down or self._owner.chance.fault("redis fails"):
            raise Retriable("redis: connection refused")

    def _after(self, call: str) -> None:
        if self._owner.chance.fault("redis answers too late", 0.5):
            raise Retriable("redis: timed out")
