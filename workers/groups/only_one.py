"""A producer that gives way: who opens the same transactional id ends it, and it does not come back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workers.runtime.errors import Fatal, WorkerError
from workers.runtime.ports import Sink
from workers.runtime.records import Output
from workers.runtime.slices import TopicPartition

_GONE = ("FENCED", "INVALID_PRODUCER_EPOCH")


class OnlyOne:
    """`Sink` around one whose `reopen` would end the successor in turn, and so on for ever."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._ended = ""

    def begin(self) -> None:
        self._watched(self._sink.begin)

    def send(self, tp: TopicPartition, outputs: Iterable[Output]) -> None:
        self._watched(self._sink.send, tp, outputs)

    def send_offsets(self, offsets: Mapping[TopicPartition, tuple[int, str]], group: object) -> None:
        self._watched(self._sink.send_offsets, offsets, group)

    def commit(self) -> None:
        self._watched(self._sink.commit)

    def reopen(self) -> None:
        """Raises Fatal where another has opened the id."""
        if self._ended:
            raise Fatal(
                f"another groups worker has started, or this one was frozen for long ({self._ended})",
                "One is enough for all partitions; this one ends, and nothing was lost or doubled",
            )
        self._sink.reopen()

    def close(self) -> None:
        self._sink.close()

    def _watched(self, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except WorkerError as error:
            if any(name in str(error) for name in _GONE):
                self._ended = str(error)
            raise
