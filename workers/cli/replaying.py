"""Sending dead letters back, each exactly once: the letters and the mark that they were sent are one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby, islice

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from workers.cli import cluster
from workers.cli.clients import TIMEOUT, transactional_producer
from workers.cli.failures import Failure
from workers.cli.letters import MARK, Letter, batches, mark_value
from workers.settings import Settings

_RECORDS, _BYTES = 1_000, 8 << 20
"""Most that one transaction takes: small enough that a broken replay repeats little work."""


class Replay:
    """One run of `deadletter replay`. All runs share one transactional id: a new one fences whatever is still at work,
    so that between `prepare` and the last commit nobody else can mark or send.
    """

    def __init__(self, settings: Settings, admin: AdminClient, *, dry_run: bool) -> None:
        self._topic = settings.topics.deadletter
        self._admin = admin
        self._producer: Producer | None = None if dry_run else transactional_producer(settings, "deadletter-replay")

    def prepare(self) -> None:
        """Wait out or abort what an earlier run left open, and become the only one."""
        if self._producer is not None:
            self._producer.init_transactions(TIMEOUT * 2)

    def send(self, letters: Iterable[Letter], *, to: str = "", limit: int | None = None) -> Counter[str]:
        """Send and mark; how many went to which topic. `Failure` says what is certain when it breaks off."""
        sent: Counter[str] = Counter()
        counts: dict[str, int] = {}
        for batch in batches(islice(letters, limit), _RECORDS, _BYTES):
            targets = [to or letter.source_topic for letter in batch]
            self._look_up(set(targets) - counts.keys(), counts)
            if self._producer is not None:
                self._commit(self._producer, batch, targets, counts, sum(sent.values()))
            sent.update(targets)
        return sent

    def _look_up(self, names: set[str], counts: dict[str, int]) -> None:
        """Number of partitions of each target. A target that is gone is refused before anything of a batch is sent."""
        found = cluster.topics(self._admin, sorted(names))
        missing = sorted(names - found.keys())
        if missing:
            raise Failure(
                f"{', '.join(missing)} does not exist (any more). Choose with --topic, or send elsewhere with --to"
            )
        counts.update({name: topic.partitions for name, topic in found.items()})

    def _commit(
        self, producer: Producer, batch: list[Letter], targets: list[str], counts: Mapping[str, int], before: int
    ) -> None:
        try:
            producer.begin_transaction()
            for letter, target in zip(batch, targets, strict=True):
                same = target == letter.source_topic and 0 <= letter.source_partition < counts[target]
                partition = letter.source_partition if same else -1
                producer.produce(target, letter.value, letter.key, partition, headers=list(letter.headers))
            for partition, marked in groupby(sorted(batch, key=_by_place), key=lambda letter: letter.partition):
                producer.produce(self._topic, mark_value(marked), None, partition, headers=[(MARK, b"")])
            producer.commit_transaction(TIMEOUT * 2)
        except KafkaException as error:
            raise Failure(f"{_consequence(producer, error.args[0])}; {before} had been sent before") from error


def _by_place(letter: Letter) -> tuple[int, int]:
    return letter.partition, letter.offset


def _consequence(producer: Producer, error: KafkaError) -> str:
    """What a failed transaction means for whoever ran the replay."""
    if error.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
        return "another replay was started and took over; this one's last batch was not sent"
    if error.txn_requires_abort():
        producer.abort_transaction(TIMEOUT)
        return f"the last batch was not sent ({error.str()}). Run the same command again"
    return f"{error.str()}. Run the same command again: whatever was sent is marked, and is not sent twice"
