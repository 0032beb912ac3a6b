"""The life of a group as a pure step over incident events in order; see `docs/groups.md` for the rules.

| state | what moves it |
|---|---|
| none | an incident that belongs to no open group: CREATE |
| open | incidents join and leave: CONTINUE, once in a while; a higher severity: ESCALATE; none is open: RESOLVE |
| resolved | an incident of it reopens: REOPEN; all are closed: CLOSED |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.ids import stable_id
from workers.groups.group import RANKS, SILENCE, Group, Kind, Member
from workers.groups.links import Links
from workers.groups.policy import Policy
from workers.groups.state import State


@dataclass(frozen=True, slots=True)
class Change:
    """A step in a group's life at event time `time`; to be told before the next step, which changes the group."""

    kind: Kind
    group: Group
    time: int
    before: int
    """The severity's rank before."""
    sequence: int


def step(policy: Policy, links: Links, state: State, event: dict[str, Any]) -> Iterator[Change]:
    """Take the next incident event (a decoded `IncidentEvent`). Consume all of it before the next call."""
    yield from pass_time(policy, state, event["time"])
    if event["type"] == "SUPPRESS":
        return
    member = state.members.get(event["incident_id"])
    if event["type"] in ("RESOLVE", "CLOSED"):
        if member is not None:
            yield from _leave(policy, state, member, event)
        return
    if member is None:
        yield from _join(policy, links, state, event)
    else:
        yield from _go_on(policy, state, member, event)


def pass_time(policy: Policy, state: State, now: int) -> Iterator[Change]:
    """What the passing of time alone makes groups say."""
    for when, group in state.due(now):
        if group.pending and group.may_speak_at == when:
            yield _say(policy, state, group, Kind.CONTINUE, when)


def _join(policy: Policy, links: Links, state: State, event: dict[str, Any]) -> Iterator[Change]:
    """An incident that no group has yet: into the group that it belongs to, or into one of its own."""
    group = _belongs(policy, links, state, event)
    if group is None:
        group = Group(stable_id("group", event["incident_id"]), event["opened_at"], 0)
        state.begin(group)
    member = _member(event, group.id)
    known = member.entity in group.entities or group.id in state.by_entity.get(member.entity, {})
    state.add(group, member)
    group.incident_count += 1
    group.entity_count += not known
    if len(group.incidents) < policy.listed:
        group.incidents.append(member.incident)
    if not known and len(group.entities) < policy.listed:
        group.entities.append(member.entity)
    _colour(group, member)
    if not group.sequence:
        yield _say(policy, state, group, Kind.CREATE, event["time"])
    elif member.severity > group.severity:
        yield _say(policy, state, group, Kind.ESCALATE, event["time"])
    else:
        yield from _news(policy, state, group, event["time"])


def _go_on(policy: Policy, state: State, member: Member, event: dict[str, Any]) -> Iterator[Change]:
    """A member goes on, gets worse or better, or is back."""
    group = state.groups[member.group]
    was_open, before = member.open, member.severity
    state.closed(member)
    _update(member, event)
    state.opened(member)
    state.touch_member(member.incident)
    _colour(group, member)
    if group.resolved_at is not None:
        group.resolved_at = None
        yield _say(policy, state, group, Kind.REOPEN, event["time"])
    elif member.severity > group.severity:
        yield _say(policy, state, group, Kind.ESCALATE, event["time"])
    elif not was_open or member.severity != before:
        yield from _news(policy, state, group, event["time"])


def _leave(policy: Policy, state: State, member: Member, event: dict[str, Any]) -> Iterator[Change]:
    """A member is over, or at its end."""
    group = state.groups[member.group]
    was_open = member.open
    state.closed(member)
    member.reason = event["reason"]
    state.touch_member(member.incident)
    if was_open and not group.open_count:
        group.resolved_at = event["resolved_at"] or event["time"]
        yield _say(policy, state, group, Kind.RESOLVE, event["time"])
    elif was_open:
        yield from _news(policy, state, group, event["time"])
    if event["type"] != "CLOSED":
        return
    if len(group.members) == 1:
        yield _say(policy, state, group, Kind.CLOSED, event["time"])
        state.end(group)
    state.remove(member)


def _belongs(policy: Policy, links: Links, state: State, event: dict[str, Any]) -> Group | None:
    """The open group that an incident joins: of several the one that opened first."""
    entity, opened_at = event["entity"], event["opened_at"]
    found = [state.groups[name] for one in links.near(entity) for name in state.by_entity.get(one, {})]
    if not found:
        found = [
            group
            for group in state.open_between(opened_at - policy.join_within, opened_at + policy.join_within)
            if not (links.known(entity) and links.known(group.entities[0]))
            and links.label(entity) == links.label(group.entities[0])
        ]
    return min(found, key=lambda group: (group.opened_at, group.id), default=None)


def _colour(group: Group, member: Member) -> None:
    group.silent &= member.cause == SILENCE
    group.regular |= member.regular


def _news(policy: Policy, state: State, group: Group, time: int) -> Iterator[Change]:
    """Something that can wait: said now if the group has been quiet for long enough, else when it will have been."""
    state.touch_group(group.id)
    if time >= group.may_speak_at:
        yield _say(policy, state, group, Kind.CONTINUE, time)
    elif not group.pending:
        group.pending = True
        state.schedule(group)


def _say(policy: Policy, state: State, group: Group, kind: Kind, time: int) -> Change:
    change = Change(kind, group, time, group.severity, group.sequence)
    group.sequence += 1
    group.severity = group.severity if group.worst is None else group.worst
    group.may_speak_at, group.pending = time + policy.continue_every, False
    state.touch_group(group.id)
    return change


def _member(event: dict[str, Any], group: str) -> Member:
    return Member(
        incident=event["incident_id"],
        group=group,
        entity=event["entity"],
        open=False,
        severity=RANKS[event["severity"]],
        cause=event["cause"],
        regular=event["regular"],
        first_anomalous_at=event["first_anomalous_at"],
        score=event["anomaly_score"],
        events=event["event_count"],
        contributions=event["contributions"],
        reason=event["reason"],
    )


def _update(member: Member, event: dict[str, Any]) -> None:
    member.severity = RANKS[event["severity"]]
    member.cause, member.regular = event["cause"], event["regular"]
    member.score, member.events = event["anomaly_score"], event["event_count"]
    member.contributions, member.reason = event["contributions"], event["reason"]
