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

_TOGETHER = ("wait-join", "wait-sync")
"""Classic states in which a member waits for the others: as long as their `max.poll.interval.ms`."""


class Membership:
    """Counts what was heard, and not the time between: a process that was frozen has not been outside meanwhile."""

    def __init__(self, classic: bool, patience: float, max_poll_interval: float) -> None:
        """`patience`: seconds that joining may take; `max_poll_interval`: seconds that others may take beyond."""
        self._classic = classic
        self._own = _heard_in(patience)
        self._joint = _heard_in(patience + max_poll_interval)
        self._idle, self._outside = 0, 0
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
        if self._classic:
            self.joined = found and group["join_state"] == "steady"
        else:
            self.joined = found and group["stateage"] >= _STANDING_MS
        self._outside = 0 if self.joined else self._outside + 1
        waits_for_others = found and self._classic and group["join_state"] in _TOGETHER
        self._idle = 0 if self.joined or waits_for_others else self._idle + 1

    @property
    def overdue(self) -> bool:
        """Outside for longer than a group needs whose broker answers."""
        return self._idle >= self._own or self._outside >= self._joint

    def wait_again(self) -> None:
        """Nobody could be asked: the broker is away, and joining takes as long as it takes."""
        self._idle, self._outside = 0, 0


def _heard_in(seconds: float) -> int:
    return max(1, round(seconds * 1000 / INTERVAL_MS))
