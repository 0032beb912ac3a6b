"""The one commit point: outputs, dead letters and input offsets together, and what is done when that is in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from workers.runtime.clock import Clock, Deadline
from workers.runtime.errors import Fatal, Held, Retriable, Unknown
from workers.runtime.metadata import CommitMetadata
from workers.runtime.metrics import Metrics
from workers.runtime.ports import Sink, Source
from workers.runtime.slices import Committed, Progress, Slice, TopicPartition, Verdict, resolve

log = structlog.get_logger(__name__)

Reached = Callable[[str], None]
"""Called with the name of each step as it is reached: where kill tests strike."""

_ASK_SECONDS = 5.0


class Transaction:
    """Sends slices as one transaction and always ends with a verdict per partition."""

    def __init__(self, source: Source, sink: Sink, clock: Clock, metrics: Metrics, reached: Reached) -> None:
        self._source, self._sink, self._clock, self._metrics, self._reached = source, sink, clock, metrics, reached
        self.failure = ""
        """What the last transaction that did not commit failed with."""

    def run(
        self, slices: Mapping[TopicPartition, Slice], metadata: Mapping[TopicPartition, str], deadline: Deadline
    ) -> dict[TopicPartition, Verdict]:
        """Commit these slices, which are all of partitions that are owned now.

        Raises Fatal, also when the producer cannot be opened again until the deadline.
        """
        try:
            self._commit(slices, metadata)
        except Held:
            return dict.fromkeys(slices, Verdict.HELD)
        except Retriable as error:
            self.failure = str(error)
            self._metrics.aborted(error)
        except Unknown as error:
            self.failure = str(error)
            self._metrics.unknown_outcome(error)
        else:
            return dict.fromkeys(slices, Verdict.DONE)
        self._reopen(deadline)
        return self._judge(slices, metadata)

    def _commit(self, slices: Mapping[TopicPartition, Slice], metadata: Mapping[TopicPartition, str]) -> None:
        self._sink.begin()
        self._reached("begun")
        for tp, part in slices.items():
            self._sink.send(tp, part.outputs)
        self._reached("produced")
        offsets = {tp: (part.end.offset, metadata[tp]) for tp, part in slices.items()}
        self._sink.send_offsets(offsets, self._source.group_metadata())
        self._reached("offsets_sent")
        self._sink.commit()
        self._reached("committed")

    def _reopen(self, deadline: Deadline) -> None:
        """The same identity anew: `init_transactions` completes or aborts what was left open, under a higher epoch.

        Never just aborted: the next transaction would have the same epoch, and a request of the failed one that
        arrives late would become part of it (KIP-890, for clients of its first protocol).
        """
        while True:
            try:
                return self._sink.reopen()
            except Retriable as error:
                if deadline.passed:
                    raise Fatal(f"the producer cannot reopen: {error}", "Check the brokers, then restart") from error
                self._clock.sleep(0.1)

    def _judge(
        self, slices: Mapping[TopicPartition, Slice], metadata: Mapping[TopicPartition, str]
    ) -> dict[TopicPartition, Verdict]:
        """Go by what the broker holds: the committed offset is the outcome.

        Where it does not tell soon, everything is loaded anew. That waits for the same answer, but the group goes on
        meanwhile; and whoever lost its partitions learns of it there, and need not know what became of them.
        """
        try:
            found = self._source.committed(list(slices), _ASK_SECONDS)
        except Retriable as error:
            log.warning("the outcome of a transaction is not known yet, loading anew", error=str(error))
            return dict.fromkeys(slices, Verdict.RELOAD)
        return {tp: _verdict(part, metadata[tp], found[tp]) for tp, part in slices.items()}


def _verdict(part: Slice, ours: str, found: Committed) -> Verdict:
    verdict = resolve(part.start, part.end, progress(found, CommitMetadata.decode(ours)))
    if verdict is Verdict.DONE and found.metadata != ours:
        return Verdict.RELOAD  # a next owner got equally far; what it named is not ours to delete
    return verdict


def progress(found: Committed, ours: CommitMetadata | None) -> Progress | None:
    """A committed offset as progress in the topic that `ours` speaks of; None where nothing was committed there.

    The position comes from the metadata; offsets of a topic of the same name that was deleted since say nothing.
    """
    if found.offset is None:
        return None
    metadata = CommitMetadata.decode(found.metadata)
    if metadata is None:
        return Progress(found.offset)
    if ours is not None and metadata.of_another_topic(ours.topic_id):
        return None
    return Progress(found.offset, metadata.position, metadata.control)
