"""What happens around the workers: the broker restarted or killed, Redis flushed, restarted, stopped, frozen."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.kafka_server import KafkaServer
from tests.support.redis_server import RedisServer


@dataclass(slots=True)
class Outside:
    """Acts on the services that all namespaces of a round share, until told to stop."""

    kafka: KafkaServer
    redis: RedisServer
    rng: random.Random
    done: list[str] = field(default_factory=list)

    def run(self, broker_acts: int, redis_acts: int) -> None:
        acts: list[Callable[[], None]] = [self.rng.choice((self.broker_restarts, self.broker_dies))] * broker_acts
        ways = [self.redis_flushed, self.redis_restarts, self.redis_stops, self.redis_freezes, self.redis_half_lost]
        acts += self.rng.sample(ways, redis_acts)
        self.rng.shuffle(acts)
        for act in acts:
            time.sleep(self.rng.uniform(2.0, 5.0))
            self.done.append(act.__name__)
            act()

    def broker_restarts(self) -> None:
        self.kafka.restart()

    def broker_dies(self) -> None:
        self.kafka.kill()
        time.sleep(self.rng.uniform(0.0, 2.0))
        self.kafka.start()

    def redis_flushed(self) -> None:
        self.redis.flush()

    def redis_restarts(self) -> None:
        self.redis.restart()  # and remembers nothing

    def redis_stops(self) -> None:
        self.redis.stop()
        time.sleep(self.rng.uniform(1.0, 5.0))
        self.redis.start()

    def redis_freezes(self) -> None:
        self.redis.freeze()
        time.sleep(self.rng.uniform(1.0, 3.0))
        self.redis.thaw()

    def redis_half_lost(self) -> None:
        with self.redis.client() as client:
            for key in client.scan_iter(count=1000):
                if self.rng.random() < 0.5:
                    client.delete(key)
