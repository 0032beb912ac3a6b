"""Which processes are called suspicious: rules about the program that a process runs, stated and few.

1. `temporary`: it lies in a folder anyone may write to (/tmp, /var/tmp, /dev/shm).
2. `deleted`: its file was deleted while it runs, or it never had one (memfd). An upgrade in place does that too.
3. `hidden`: its file's name begins with a dot or a space.
4. `masked`: it calls itself like a kernel thread ("[kworker…", "kworker/…"), and runs a program.

A rule is no verdict: what counts is that the number differs from what it usually is on that machine.
"""

from __future__ import annotations

from collections.abc import Callable

from workers.sources.host.processes import Identity

TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")  # noqa: S108  (looked for, not written to)
_KERNEL = ("[", "kworker/", "kthreadd", "ksoftirqd/", "kswapd")
_DELETED = " (deleted)"

TURNS = 12
"""A program is looked at when a process or its name is new, and again in one of so many samples."""


def rule(name: str, program: str) -> str:
    """The rule that a process breaks by its name and its program's path; "" for none (or no program)."""
    if not program:
        return ""
    if program.endswith(_DELETED):
        return "deleted"
    if program.startswith(TEMPORARY):
        return "temporary"
    if program.rpartition("/")[2].startswith((".", " ")):
        return "hidden"
    return "masked" if name.startswith(_KERNEL) else ""


class Suspicion:
    """Remembers the verdict on each process, because asking costs a call each; forgets processes that are gone."""

    def __init__(self) -> None:
        self._known: dict[tuple[Identity, str], bool] = {}
        self._before: dict[tuple[Identity, str], bool] = {}
        self._turn = 0

    def begin(self) -> None:
        """A new sample: verdicts that nobody asks for until the next one are forgotten."""
        self._before, self._known = self._known, {}
        self._turn = (self._turn + 1) % TURNS

    def of(self, identity: Identity, name: str, program: Callable[[], str]) -> bool:
        """Whether a process breaks a rule; `program` gives its program's path, and is asked as seldom as possible."""
        key = (identity, name)
        known = self._before.get(key)
        if known is None or identity[0] % TURNS == self._turn:
            known = bool(rule(name, program()))
        self._known[key] = known
        return known
