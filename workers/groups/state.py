"""The state of the one step over all partitions: the groups that are not closed, and what has changed of them."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

import orjson

from workers.groups.group import Group, Member, load_group, load_member
from workers.runtime.stage import Logged

_GROUP, _MEMBER = b"group/", b"incident/"


class State:
    """Mutable. What is logged of it (`changes`, keys and values of a compacted topic) is all of it (`load`)."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.members: dict[str, Member] = {}
        self.by_entity: dict[str, dict[str, int]] = {}
        """Of each entity the groups that it has open incidents in, with how many."""
        self._by_opening: list[tuple[int, str]] = []
        self._due: list[tuple[int, str]] = []
        self._changed: dict[bytes, None] = {}

    @classmethod
    def load(cls, logged: Iterable[Logged]) -> State:
        state, members = cls(), []
        for record in logged:
            if record.key.startswith(_GROUP):
                state.begin(load_group(orjson.loads(record.value)))
            elif record.key.startswith(_MEMBER):
                members.append(load_member(orjson.loads(record.value)))
        # In the order of their groups' own lists, which is that in which they came; the log keeps another one.
        for member in sorted(members, key=lambda one: (one.first_anomalous_at, one.incident)):
            group = state.groups[member.group]
            group.members[member.incident] = state.members[member.incident] = member
            if member.open:
                state.opened(member)
        return state

    def begin(self, group: Group) -> None:
        self.groups[group.id] = group
        insort(self._by_opening, (group.opened_at, group.id))
        if group.pending:
            self.schedule(group)

    def end(self, group: Group) -> None:
        self.touch_group(group.id)
        del self.groups[group.id]
        del self._by_opening[bisect_left(self._by_opening, (group.opened_at, group.id))]

    def open_between(self, first: int, last: int) -> Iterator[Group]:
        """Groups with open incidents that opened in this time, both ends included."""
        start, stop = bisect_left(self._by_opening, (first, "")), bisect_right(self._by_opening, (last + 1, ""))
        for _, name in self._by_opening[start:stop]:
            group = self.groups[name]
            if group.open_count:
                yield group

    def add(self, group: Group, member: Member) -> None:
        group.members[member.incident] = self.members[member.incident] = member
        self.touch_member(member.incident)
        self.opened(member)

    def remove(self, member: Member) -> None:
        self.touch_member(member.incident)
        del self.members[member.incident]
        if member.group in self.groups:
            del self.groups[member.group].members[member.incident]

    def opened(self, member: Member) -> None:
        """Count it where it counts; `severity` must not change before `closed`."""
        member.open = True
        self.groups[member.group].open_by_rank[member.severity] += 1
        groups = self.by_entity.setdefault(member.entity, {})
        groups[member.group] = groups.get(member.group, 0) + 1

    def closed(self, member: Member) -> None:
        """Take it out of the counts, if it was in."""
        if not member.open:
            return
        member.open = False
        self.groups[member.group].open_by_rank[member.severity] -= 1
        groups = self.by_entity[member.entity]
        groups[member.group] -= 1
        if not groups[member.group]:
            del groups[member.group]
        if not groups:
            del self.by_entity[member.entity]

    def touch_group(self, group: str) -> None:
        self._changed[_GROUP + group.encode()] = None

    def touch_member(self, incident: str) -> None:
        self._changed[_MEMBER + incident.encode()] = None

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Key and value of the log records that bring the log up to date; None forgets. Each change is told once."""
        for key in self._changed:
            if key.startswith(_GROUP):
                group = self.groups.get(key[len(_GROUP) :].decode())
                yield key, None if group is None else orjson.dumps(group.dump(), option=orjson.OPT_SORT_KEYS)
            else:
                member = self.members.get(key[len(_MEMBER) :].decode())
                yield key, None if member is None else orjson.dumps(member, option=orjson.OPT_SORT_KEYS)
        self._changed = {}

    def schedule(self, group: Group) -> None:
        """The group has something to say as soon as it may."""
        heapq.heappush(self._due, (group.may_speak_at, group.id))

    def due(self, until: int) -> Iterator[tuple[int, Group]]:
        """Groups whose time has come, in the order of their times; a group can come that has nothing to say."""
        while self._due and self._due[0][0] <= until:
            when, name = heapq.heappop(self._due)
            if name in self.groups:
                yield when, self.groups[name]
