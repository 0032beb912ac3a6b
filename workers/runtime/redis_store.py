"""Checkpoints and readable views in Redis.

Checkpoint values live under `<namespace>faultline:checkpoint:{<scope>}:<id>` and are listed in the set
`…:{<scope>}:index`; the braces keep one partition's keys in one slot of a cluster. They have no time to live: what
a commit names must stay. A list that was begun anew, after a loss, does not have the member `whole`: then values may
lie there that it does not name, and the next owner looks for them among all keys. A view is a hash with the fields
`version` and `data`, and has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.runtime.errors import Fatal, Retriable
from workers.runtime.records import View

T = TypeVar("T")

_ESCAPED = re.compile(r"[\\*?\[\]]")
"""What means something in a pattern of Redis."""

_PUBLISH = """
local held = redis.call('HGET', KEYS[1], 'version')
if held and tonumber(held) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'data', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

_WHOLE = "whole"
"""Member of an index that names every key of its scope."""

_SCAN_AT_ONCE = 1_000

_READ_AT_ONCE = 16
"""Values of up to 4 MB: bounds the memory of one reply."""

_PUBLISH_AT_ONCE = 1_000


class RedisStore:
    """One connection, no retries of its own: the loop decides what a failure means.

    Raises Fatal at construction if Redis may evict keys (anything but `noeviction`), and logs nothing.
    """

    def __init__(self, url: str, namespace: str, timeout: float) -> None:
        """`timeout` in seconds bounds each call. The connection is made at first use."""
        self._redis: Any = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        self._prefix = f"{namespace}faultline:checkpoint:"
        self._publish = self._redis.register_script(_PUBLISH)

    def check(self) -> None:
        """Raise Fatal where Redis would evict checkpoints. Raises Retriable when it cannot be reached."""
        try:
            policy = self._redis.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
        except redis.ResponseError:
            return  # managed Redis hides CONFIG; nothing can be said
        except redis.RedisError as error:
            raise Retriable(f"Redis: {error}") from error
        if policy != "noeviction":
            raise Fatal(
                f"Redis evicts keys (maxmemory-policy is {policy}), and checkpoints must stay",
                "Set maxmemory-policy noeviction, or give Faultline a Redis of its own",
            )

    def write(self, scope: str, values: Mapping[str, bytes]) -> None:
        def run() -> None:
            pipe = self._redis.pipeline(transaction=False)
            pipe.sadd(self._index(scope), *values)
            for key, value in values.items():
                pipe.set(self._key(scope, key), value)
            pipe.execute()

        self._call(run)

    def read(self, scope: str, keys: Sequence[str]) -> list[bytes | None]:
        def run() -> list[bytes | None]:
            found: list[bytes | None] = []
            for at in range(0, len(keys), _READ_AT_ONCE):
                found += self._redis.mget([self._key(scope, key) for key in keys[at : at + _READ_AT_ONCE]])
            return found

        return self._call(run)

    def holds(self, scope: str, keys: Collection[str]) -> bool:
        return not keys or self._call(lambda: self._redis.exists(*(self._key(scope, key) for key in keys))) == len(keys)

    def keys(self, scope: str) -> set[str]:
        def run() -> set[str]:
            known = {member.decode() for member in self._redis.smembers(self._index(scope))}
            if _WHOLE not in known:
                known |= self._scan(scope) | {_WHOLE}
                self._redis.sadd(self._index(scope), *known)
            return known - {_WHOLE}

        return self._call(run)

    def _scan(self, scope: str) -> set[str]:
        """The keys of a scope by going through all there are, a thousand at a time."""
        start = self._key(scope, "")
        found = self._redis.scan_iter(match=_ESCAPED.sub(r"\\\g<0>", start) + "*", count=_SCAN_AT_ONCE)
        return {key.decode().removeprefix(start) for key in found if key.decode() != self._index(scope)}

    def delete(self, scope: str, keys: Iterable[str]) -> None:
        gone = list(keys)
        if not gone:
            return

        def run() -> None:
            pipe = self._redis.pipeline(transaction=False)
            pipe.unlink(*(self._key(scope, key) for key in gone))
            pipe.srem(self._index(scope), *gone)
            pipe.execute()

        self._call(run)

    def publish(self, views: Sequence[View]) -> None:
        def run() -> None:
            for at in range(0, len(views), _PUBLISH_AT_ONCE):
                pipe = self._redis.pipeline(transaction=False)
                for view in views[at : at + _PUBLISH_AT_ONCE]:
                    self._publish(keys=[view.key], args=[view.version, view.value, view.ttl], client=pipe)
                pipe.execute()

        self._call(run)

    def close(self) -> None:
        self._redis.close()

    def _key(self, scope: str, key: str) -> str:
        return f"{self._prefix}{{{scope}}}:{key}"

    def _index(self, scope: str) -> str:
        return f"{self._prefix}{{{scope}}}:index"

    @staticmethod
    def _call(run: Callable[[], T]) -> T:
        try:
            return run()
        except redis.RedisError as error:
            raise Retriable(f"Redis: {type(error).__name__}: {error}") from error
