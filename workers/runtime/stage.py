"""What a worker is to the runtime: a pure step over the records of one partition, and state that can be rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from workers.runtime.records import Chunk, Output, Records


@dataclass(frozen=True, slots=True)
class RebuildPoint:
    """Where a lost state is rebuilt from: empty state with `watermark` at `offset`, then every record from there.

    `offset` is not above the first offset that any retained state depends on; `watermark` (epoch microseconds) is
    the one in force just before the record at `offset`.
    """

    offset: int
    watermark: int


@dataclass(frozen=True, slots=True)
class Part:
    """A named piece of checkpointed state. It is written again only when `version` differs from the last written one.

    `version` must change whenever the bytes that `encode` would return change. `encode` is called at most once and
    before the state is stepped again; its result should stay below 4 MB (split larger state into several parts).
    """

    version: int
    encode: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Logged:
    """One record of the stage's compacted state topic, read back on recovery, in topic order (latest per key)."""

    key: bytes
    value: bytes


State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Control:
    """One record of the control topic; `value` None takes the key's earlier record back."""

    offset: int
    key: bytes
    value: bytes | None


class Stage(Protocol[State]):
    """The functional core of a worker, one `State` per input partition. Nothing here sees a clock, Kafka or Redis.

    What the contract suite (`tests/contract`) holds every stage to, byte for byte, for keys, values and headers:

    * **cuts do not matter**: the outputs of a sequence of records are the same for every division into batches;
    * **restore is exact**: `restore(parts(state))` continues as `state` would have, after any record;
    * **rebuild is exact**: `start` at `rebuild_point(state)`, stepping all records from there, continues so too
      (with the stage's logged records handed to `start`).
    """

    name: str
    config_hash: str
    """Changes with every setting that outputs or state depend on; a checkpoint of another hash is not used."""

    state_topic: str | None
    """The compacted topic this stage logs long-lived state to (as ordinary outputs), or None."""

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> State:
        """Empty state with that watermark (`NO_WATERMARK` if there never was one), plus what had been logged."""
        ...

    def step(self, state: State, records: Records) -> Iterator[Chunk]:
        """Process records in order, mutating `state`, yielding bounded chunks; the last chunk's `done` is len(records).

        Never raises on bad records: they become dead letters. An exception here is a bug and stops the worker.
        """
        ...

    def watermark(self, state: State) -> int:
        """Event time, epoch microseconds, up to which this partition is complete."""
        ...

    def rebuild_point(self, state: State) -> RebuildPoint | None:
        """None: nothing is retained; an empty state with the current watermark is the same state."""
        ...

    def parts(self, state: State) -> Mapping[str, Part]:
        """The whole state as named parts, for a checkpoint. Empty where the state is cheap to rebuild."""
        ...

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> State:
        """The state that `parts` was taken from."""
        ...


@runtime_checkable
class Controlled(Protocol):
    """A stage that control records change (model aliases, feedback). They come into force between two batches."""

    def take_up(self, state: Any, offset: int, controls: Sequence[Control]) -> list[Output]:
        """Put `controls` into force for records from input offset `offset` on.

        Returns the outputs that log this to the state topic, with `offset`: a rebuild replays every record under the
        controls that were in force there.
        """
        ...


NO_WATERMARK = -(1 << 62)
