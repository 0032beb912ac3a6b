"""The runtime's metrics as plain counters: Prometheus's would cost a schedule as much as all the rest of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from workers.runtime.errors import WorkerError
from workers.runtime.metrics import Metrics

_NOTHING = nullcontext()


class Counting(Metrics):
    """What the loop reports, by name and label."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def state(self, name: str) -> AbstractContextManager[None]:  # type: ignore[override]  # one for all, for speed
        return _NOTHING

    def counted(self, counts: Mapping[str, int]) -> None:
        self.seen.update({f"records {name}": count for name, count in counts.items()})

    def produced(self, topic: str, count: int) -> None:
        self.seen[f"outputs {topic}"] += count

    def dead_letter(self, error_class: str) -> None:
        self.seen["dead letters"] += 1

    def aborted(self, error: WorkerError) -> None:
        self.seen["aborted transactions"] += 1

    def unknown_outcome(self, error: WorkerError) -> None:
        self.seen["unknown outcomes"] += 1

    def verdict(self, name: str) -> None:
        self.seen[f"verdict {name}"] += 1

    def recovered(self, how: str) -> None:
        self.seen[f"recovery {how}"] += 1

    def checkpoint(self, result: str) -> None:
        self.seen[f"checkpoint {result}"] += 1

    def rebalanced(self, event: str, count: int) -> None:
        self.seen[f"rebalance {event}"] += count

    def ticked(self) -> None:
        self.seen["ticks"] += 1

    def committed(self, seconds: float) -> None:
        self.seen["commits"] += 1

    def position(self, topic: str, partition: int, lag: int, delay: float | None, headroom: int) -> None: ...

    def forget(self, topic: str, partition: int) -> None: ...

    def owned(self, loaded: int, loading: int) -> None: ...
