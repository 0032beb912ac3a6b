"""What a graph may take while it runs: memory from one arena with an end, and so much of the processor for a row.

What a graph does may depend on the row, so no look at it beforehand can tell how much that is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

MOST_MEMORY = 256 << 20
"""Bytes that all graphs of a process have in use at a time, apart from their constants."""

MOST_SECONDS = 5.0
"""Of the processor, for one row: a graph takes thousandths. Not of the clock, since processes are stopped and go on."""

LOOKS = 0.5
"""Seconds between two looks at the rows that are on their way."""


class GraphError(ValueError):
    """A graph that does not come to an end."""


@cache
def limit_memory() -> None:
    """Make the arena from which the sessions of this process are to take what they need."""
    import onnxruntime as runtime

    arena = runtime.OrtArenaCfg({"max_mem": MOST_MEMORY, "arena_extend_strategy": 1})  # by no more than is asked for
    place = runtime.OrtMemoryInfo("Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT)
    runtime.create_and_register_allocator(place, arena)


@dataclass(slots=True, eq=False)
class Run:
    """Rows on their way through a graph: its `options` end the one at `row`, which the watch first saw at `since`."""

    options: Any
    row: int = 0
    seen: int = -1
    since: float = 0.0


class _Watch:
    """A thread that looks at the rows that are on their way, and ends those that take too long."""

    def __init__(self) -> None:
        self._runs: set[Run] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, options: Any) -> Iterator[Run]:
        """Watch what runs with these options; whoever runs it counts the rows."""
        if self._thread is None or not self._thread.is_alive():  # in a process that was forked it is not
            self._thread = threading.Thread(target=self._look, name="graph-limits", daemon=True)
            self._thread.start()
        run = Run(options)
        self._runs.add(run)
        try:
            yield run
        finally:
            self._runs.discard(run)

    def _look(self) -> None:
        while True:
            time.sleep(LOOKS)
            now = time.process_time()
            for run in tuple(self._runs):
                if run.seen != run.row:
                    run.seen, run.since = run.row, now
                elif now - run.since > MOST_SECONDS:
                    run.options.terminate = True


watch = _Watch()
