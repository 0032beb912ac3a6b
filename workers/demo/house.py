"""Everything an installation has, as processes of this machine: a broker, a Redis, and the workers."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.demo.children import Children
from workers.demo.embedded import start_kafka, start_redis
from workers.demo.scene import environment
from workers.settings import Settings, load_settings
from workers.topics import topic_specs

_CRITICAL = 2  # of syslog's levels: an ending broker is no news
_LONGEST_FOLDER = 80  # a Unix socket's path may have about 100 bytes


@dataclass(frozen=True, slots=True)
class House:
    """What runs, and where. `settings` are those that its workers have."""

    children: Children
    folder: Path
    environment: Mapping[str, str]
    settings: Settings

    @property
    def options(self) -> dict[str, object]:
        """Options of a Kafka client in this house."""
        return {"bootstrap.servers": self.settings.kafka.bootstrap_servers, "log_level": _CRITICAL}

    def start_worker(self, name: str) -> None:
        """Run `faultline worker NAME` as a process of its own."""
        command = [sys.executable, "-m", "workers.cli.main", "worker", name]
        self.children.start(name, command, self.environment)


@contextmanager
def house(extra: Callable[[Path], Mapping[str, str]] = lambda _: {}) -> Iterator[House]:
    """Bring up broker and Redis; end everything on leaving. `extra` gives settings, and may write files they name.

    Raises `ChildDied`, FileNotFoundError.
    """
    with _folder() as folder, Children(folder) as children:
        kafka, redis = start_kafka(children), start_redis(children, folder)
        variables = environment(kafka, redis, folder, extra(folder))
        settings = load_settings(variables)
        found = House(children, folder, variables, settings)
        _make_topics(found)
        yield found


def _make_topics(found: House) -> None:
    """The embedded broker makes a topic when a producer asks for it first."""
    from confluent_kafka import Producer

    producer = Producer(found.options)
    for spec in topic_specs(found.settings):
        producer.list_topics(spec.name, timeout=10)


@contextmanager
def _folder() -> Iterator[Path]:
    short = len(tempfile.gettempdir()) < _LONGEST_FOLDER
    with tempfile.TemporaryDirectory(prefix="faultline-", dir=None if short else "/tmp") as name:  # noqa: S108
        yield Path(name)
