"""The consumer port over the broker and the group in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.model.broker import Broker, Entry
from tests.model.group import Group
from tests.model.redis import Owner
from workers.runtime.errors import Retriable
from workers.runtime.ports import Ownership, Polled, TopicInfo
from workers.runtime.records import Records
from workers.runtime.slices import Committed, TopicPartition
from workers.runtime.stage import Logged


class ModelSource:
    """One member. What it believes to own may have been another's for long: it learns that in `poll` and `serve`."""

    def __init__(self, broker: Broker, group: Group, name: str, owner: Owner) -> None:
        self._broker, self._group, self._name, self._owner = broker, group, name, owner
        self._ownership: Ownership | None = None
        self._joined = 0
        self._generation = -1
        self._mine: dict[TopicPartition, int | None] = {}  # position; None while paused
        self._told_end: dict[TopicPartition, int] = {}

    @property
    def member(self) -> str:
        return f"{self._name}/{self._joined}"

    def subscribe(self, topics: Sequence[str], ownership: Ownership) -> None:
        self._ownership = ownership
        self._group.join(self.member)

    # -- membership ---------------------------------------------------------------------------------------------------

    @property
    def joined(self) -> bool:
        return self._generation >= 0

    def serve(self, timeout: float) -> None:
        self._owner.touch("serve")
        if self._fault("serve fails"):
            raise Retriable("serve: local error")
        self._rebalance()
        self._owner.wait(timeout)

    def _rebalance(self) -> None:
        assert self._ownership is not None
        member = self._group.heartbeat(self.member)
        if member is None:
            self._session_lost()
            return
        self._generation = member.generation
        if revoked := sorted(member.owned - member.target):
            self._ownership.on_revoked(revoked)
            self._forget(revoked)
            member = self._group.heartbeat(self.member)
            if member is None:
                return  # expired during the callback: the rest is told next time
            member.owned -= set(revoked)
        if gained := sorted(tp for tp in member.target - member.owned if self._group.free(tp)):
            member.owned |= set(gained)
            self._mine.update(dict.fromkeys(gained))
            self._ownership.on_assigned(gained)

    def _session_lost(self) -> None:
        """Tell what was lost; the client sometimes calls it revoked, and brings one partition at a time."""
        assert self._ownership is not None
        self._seen("session lost")
        while self._mine:
            if self._fault("loss told as revocation", 5.0):
                told = [min(self._mine)]
                self._ownership.on_revoked(told)
            else:
                told = sorted(self._mine)
                self._ownership.on_lost(told)
            self._forget(told)
        self._joined += 1
        self._group.join(self.member)

    def _forget(self, tps: Sequence[TopicPartition]) -> None:
        for tp in tps:
            self._mine.pop(tp, None)
            self._told_end.pop(tp, None)

    def group_metadata(self) -> object:
        self._owner.touch("group_metadata")
        member = self._group.members.get(self.member)
        if member is None and self._fault("member id gone", 5.0):
            raise Retriable("no member of the group")
        if member is not None and not self._fault("heartbeat late"):
            self._generation = self._group.generation  # the client's background thread keeps it fresh
        return self.member, self._generation

    def close(self) -> None:
        self._owner.touch("close")
        if self._ownership is not None and self._mine:
            self._ownership.on_revoked(sorted(self._mine))
        self._mine.clear()
        self._group.leave(self.member)

    # -- records ------------------------------------------------------------------------------------------------------

    def poll(self, most: int, timeout: float) -> Polled:
        self._owner.touch("poll")
        self._rebalance()
        polled = Polled()
        rng, left = self._owner.chance.random, most
        order = [tp for tp, position in self._mine.items() if position is not None]
        rng.shuffle(order)
        for tp in order:
            left -= self._take(tp, rng.randint(0, left), polled)
        if not polled.records and not polled.ends:
            self._owner.wait(timeout)
        if self._fault("poll fails, its records gone"):
            raise Retriable("consume: a callback raised")
        return polled

    def _take(self, tp: TopicPartition, most: int, polled: Polled) -> int:
        position = self._mine[tp]
        log = self._broker.log(tp)
        if position is None:
            return 0
        if position < log.start or position > len(log.entries):
            self._mine[tp] = None
            polled.expired.append(tp)
            return 0
        taken: list[tuple[int, Entry]] = []
        end = position
        for end, entry in log.committed(position):
            if len(taken) == most:
                break
            taken.append((end, entry))
        else:
            end = log.stable_end
        self._mine[tp] = end
        if end == log.stable_end and self._told_end.get(tp) != end:
            self._told_end[tp] = polled.ends[tp] = end
            if end and not log.entries[end - 1].visible:
                self._owner.chance.seen["end behind markers"] += 1
        if taken:
            polled.records.append(records(tp, taken))
        return len(taken)

    def resume_at(self, tp: TopicPartition, offset: int) -> None:
        self._owner.touch("resume_at")
        if self._fault("seek fails") or tp not in self._mine:
            raise Retriable("seek: erroneous state")
        if self._fault("records come again after a seek"):
            rng, start = self._owner.chance.random, self._broker.log(tp).start
            offset = start if rng.random() < 0.5 else max(start, offset - 3)
        self._mine[tp] = offset
        self._told_end.pop(tp, None)

    def pause(self, tp: TopicPartition) -> None:
        if tp in self._mine:
            self._mine[tp] = None

    # -- facts --------------------------------------------------------------------------------------------------------

    def committed(self, tps: Sequence[TopicPartition], timeout: float) -> Mapping[TopicPartition, Committed]:
        self._owner.touch("committed")
        self._broker.tick()
        if any(map(self._broker.unstable, tps)):
            self._seen("unstable offsets")
            self._owner.wait(timeout)
            raise Retriable("committed: unstable offset commit")
        self._ask("committed")
        return {tp: self._broker.offsets.get(tp, Committed(None, None)) for tp in tps}

    def bounds(self, tp: TopicPartition, timeout: float) -> tuple[int, int]:
        self._ask("bounds")
        log = self._broker.log(tp)
        return log.start, log.stable_end

    def known_bounds(self, tp: TopicPartition) -> tuple[int, int] | None:
        return None

    def offset_at(self, tp: TopicPartition, start: str, timeout: float) -> int:
        self._ask("offset_at")
        log = self._broker.log(tp)
        return log.stable_end if start == "latest" else log.start

    def topic(self, name: str, timeout: float) -> TopicInfo:
        self._ask("topic")
        topic = self._broker.topics[name]
        return TopicInfo("" if self._fault("topic id not told") else topic.id, len(topic.logs))

    def logged_end(self, topic: str, partition: int, timeout: float) -> int:
        self._ask("logged_end")
        return len(self._broker.log(TopicPartition(topic, partition)).entries)

    def logged(self, topic: str, partition: int, start: int, timeout: float) -> list[Logged]:
        self._ask("logged")
        log = self._broker.log(TopicPartition(topic, partition))
        if log.stable_end < len(log.entries):
            self._seen("state topic blocked")
            self._broker.tick()
            self._owner.wait(timeout)
            raise Retriable("the state topic's end is not readable yet")
        latest: dict[bytes, bytes] = {}
        for _, entry in log.committed(start):
            if entry.key is not None and entry.value is not None:
                latest.pop(entry.key, None)
                latest[entry.key] = entry.value
        return [Logged(key, value) for key, value in latest.items()]

    def _ask(self, what: str) -> None:
        self._owner.touch(what)
        if self._fault("question unanswered"):
            self._owner.wait(0.5)
            raise Retriable(f"{what}: timed out")

    def _fault(self, name: str, likelihood: float = 1.0) -> bool:
        return self._owner.chance.fault(name, likelihood)

    def _seen(self, what: str) -> None:
        self._owner.chance.note(what)
        self._owner.chance.seen[what] += 1


def records(tp: TopicPartition, taken: Sequence[tuple[int, Entry]]) -> Records:
    """Entries of a log as the columns that a stage gets."""
    offsets = np.array([offset for offset, _ in taken], np.int64)
    entries = [entry for _, entry in taken]
    return Records(
        *tp, offsets, offsets * 1000, [e.key for e in entries], [e.value for e in entries], [e.headers for e in entries]
    )
