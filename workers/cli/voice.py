"""How a command speaks. Apart from what commands do, since it must load at once."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from workers.cli.output import print_json
from workers.sources.progress import Counter


@dataclass(frozen=True, slots=True)
class Voice:
    """How a command speaks: progress and remarks on standard error, the summary on standard output as asked for."""

    console: Console
    quiet: bool
    json: bool

    @classmethod
    def of(cls, quiet: bool, as_json: bool) -> Voice:
        return cls(Console(stderr=True, highlight=False, soft_wrap=True), quiet, as_json)

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text, markup=False)

    def counter(self, label: str, total: int | None = None, unit: str = "events") -> Counter:
        return Counter(self.console, label, total, unit, quiet=self.quiet)

    def report(self, text: str, document: dict[str, object]) -> None:
        """What was done, for people or for a machine."""
        if self.json:
            print_json(document)
        else:
            self.say(text)
