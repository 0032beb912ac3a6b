"""Progress of something long, for people: a bar on a terminal, a line now and then where output is piped."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from workers.runtime.clock import Clock, SystemClock

EVERY = 5.0
"""Seconds between two lines where output is not a terminal."""
PATIENCE = 30.0
"""The same while nothing moves."""


class Counter:
    """Counts towards a total (None: unknown) and shows it on the console. Use as a context manager."""

    def __init__(
        self,
        console: Console,
        label: str,
        total: int | None = None,
        unit: str = "events",
        quiet: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.done = self._shown = 0
        self._console, self._label, self._total, self._unit = console, label, total, unit
        self._clock = clock or SystemClock()
        self._begun = self._told = self._clock.monotonic()
        self._quiet = quiet
        self._bar: Progress | None = None
        if console.is_terminal and not quiet:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task(label, total=total, rate="")

    def __enter__(self) -> Counter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._begun

    def add(self, count: int, note: str = "") -> None:
        """`count` more are done; `note` says where (an event time, a file)."""
        self.done += count
        rate = f"{self._pace()} {note}"
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=rate)
        elif not self._quiet and self._clock.monotonic() - self._told >= (
            EVERY if self.done > self._shown else PATIENCE
        ):
            self._told, self._shown = self._clock.monotonic(), self.done
            share = f" of {self._total:,}" if self._total else ""
            self._console.print(f"{self._label}: {self.done:,}{share} {self._unit}, {rate}", highlight=False)

    def _pace(self) -> str:
        """How many a second; of what takes longer, how many seconds one takes."""
        pace = self.done / max(self.seconds, 1e-9)
        if pace >= 1 or not self.done:
            return f"{pace:,.0f} {self._unit}/s"
        return f"{1 / pace:,.0f} s each"
