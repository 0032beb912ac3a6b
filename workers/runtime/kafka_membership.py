"""What the client says about its place in the group, in its statistics: there is no other way to ask for it.

A member that gets no partition is told nothing at all under KIP-848; and a client whose coordinator went away at the
wrong moment may stay outside the group for good, without a word (librdkafka issues 3082, 5511).
"""

from __future__ import annotations

import orjson

INTERVAL_MS = 5000
"""How often the client tells."""

_STANDING_MS = 3000
"""Under KIP-848 a member that knows its coordinator is in the group with its next heartbeat."""


class Membership:
    """Counts what was heard, and not the time between: a process that was frozen has not been outside meanwhile."""

    def __init__(self, classic: bool, patience: float, max_poll_interval: float) -> None:
        """`patience`: seconds without a coordinator; `max_poll_interval`: seconds that a joint join may take beyond."""
        self._classic = classic
        self._no_coordinator = _heard_in(patience)
        self._not_joined = _heard_in(patience + max_poll_interval)
        self._without, self._outside = 0, 0
        self.state = ""
        """As the client calls it: of the coordinator, and of joining."""
        self.joined = False
        """In the group, with a share of the partitions, be it none."""

    def on_statistics(self, text: str) -> None:
        """The client's `stats_cb`."""
        group = orjson.loads(text).get("cgrp")
        if group is None:
            return
        self.state = f"{group['state']}, {group['join_state']}"
        found = group["state"] == "up"
        self._without = 0 if found else self._without + 1
        if self._classic:
            self.joined = found and group["join_state"] == "steady"
        else:
            self.joined = found and group["stateage"] >= _STANDING_MS
        self._outside = 0 if self.joined else self._outside + 1

    @property
    def overdue(self) -> bool:
        """Outside for longer than a group needs whose broker answers."""
        return self._without >= self._no_coordinator or self._outside >= self._not_joined

    def wait_again(self) -> None:
        """Nobody could be asked: the broker is away, and joining takes as long as it takes."""
        self._without, self._outside = 0, 0


def _heard_in(seconds: float) -> int:
    return max(1, round(seconds * 1000 / INTERVAL_MS))
