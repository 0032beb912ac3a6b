"""The control topic in memory, as each process has read it: whole at its start, later sometimes behind."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.model.redis import Owner
from workers.runtime.stage import Control


class ModelControls:
    """`log` is the topic itself, shared by all; offsets are places in it."""

    def __init__(self, log: Sequence[Control], owner: Owner, rng: random.Random) -> None:
        self._log, self._owner, self._rng = log, owner, rng
        self.end = len(log)

    def refresh(self) -> None:
        behind = len(self._log) - self.end
        if behind:
            self._owner.touch("controls")
            self.end += self._rng.randint(0, behind)

    def after(self, offset: int) -> list[Control]:
        latest = {control.key: control for control in self._log[: self.end]}
        return sorted((c for c in latest.values() if c.offset >= offset), key=lambda c: c.offset)
