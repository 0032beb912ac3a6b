"""What the client says about its place in the group, in its statistics: there is no other way to ask for it.

A member that gets no partition is told nothing at all under KIP-848; and a client whose coordinator went away at the
wrong moment, or whom a broker that was just starting told of no brokers, may stay outside the group for good, without a
word (librdkafka issues 3082, 5301, 5511).
"""

from __future__ import annotations

import orjson

INTERVAL_MS = 5000
"""How often the client tells."""

_STANDING_MS = 3000
"""Under KIP-848 a member that knows its coordinator is in the group with its next heartbeat."""

_ASKED_EVERY = 2
"""Tellings outside after which a broker is asked again whether it is there."""

_NEW_CLIENT_AFTER = 2
"""Tellings with a broker that answers after which a new client is worth a try; then twice as many, and so on."""

_TOGETHER = ("wait-join", "wait-sync")
"""Classic states in which a member waits for the others: as long as their `max.poll.interval.ms`."""


class Membership:
    """Counts what was heard, and not the time between: a process that was frozen has not been outside meanwhile.

    Nor does it count while no broker answers: joining takes as long as the broker takes to come back, and then its own
    time. So whoever owns this asks the broker whenever `due` says so, and tells what came of it.
    """

    def __init__(self, classic: bool, patience: float, max_poll_interval: float) -> None:
        """`patience`: seconds that joining may take; `max_poll_interval`: seconds that others may take beyond."""
        self._classic = classic
        self._own = _heard_in(patience)
        self._joint = _heard_in(patience + max_poll_interval)
        self._unasked, self._idle, self._outside = 0, 0, 0
        self._answering, self._new_client_at = False, _NEW_CLIENT_AFTER
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
        if self.joined:
            self._begin_again(answering=False)
            return
        if self.due:  # told while this process was busy: nobody can say whether a broker answered then
            return
        self._unasked += 1
        self._outside += 1
        waits_for_others = found and self._classic and group["join_state"] in _TOGETHER
        self._idle = 0 if waits_for_others else self._idle + 1

    @property
    def due(self) -> bool:
        """Outside for a while: time to ask whether a broker answers at all."""
        return self._unasked >= min(_ASKED_EVERY, self._own)

    def asked(self, answers: bool) -> None:
        """A broker was asked just now. Time outside counts from the first answer on, and anew after each silence."""
        self._unasked = 0
        if not (answers and self._answering):
            self._begin_again(answering=answers)

    @property
    def overdue(self) -> bool:
        """Outside for longer than a group needs whose broker has answered all the while."""
        return self._answering and (self._idle >= self._own or self._outside >= self._joint)

    @property
    def stuck(self) -> bool:
        """Outside for so long that it may be the client's own fault."""
        return self._answering and self._idle >= self._new_client_at

    def renewed(self) -> None:
        """There is a new client; its time counts with that of those before."""
        self._new_client_at *= 2

    def _begin_again(self, *, answering: bool) -> None:
        self._unasked, self._idle, self._outside = 0, 0, 0
        self._answering, self._new_client_at = answering, _NEW_CLIENT_AFTER


def _heard_in(seconds: float) -> int:
    return max(1, round(seconds * 1000 / INTERVAL_MS))
