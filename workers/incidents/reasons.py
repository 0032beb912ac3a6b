"""What an incident event says to people: one sentence or two, with numbers, units and how long it has lasted.

Pure functions of the change: no clock, no locale, and entity names only as they are shown, never interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.incidents.advice import impact, recommendation
from workers.incidents.feedback import Verdict
from workers.incidents.incident import SILENCE, Change, Ending, Incident, Kind, Phase
from workers.incidents.manners import manner
from workers.incidents.messages import message_level
from workers.incidents.naming import call_family, read_metric
from workers.incidents.scores import SEVERITIES, Contribution, Window
from workers.units import clock, duration, moment, quantity, shown, span

_MENTIONED_SHARE = 0.15
"""A further metric is mentioned from this share of the score on."""


@dataclass(frozen=True, slots=True)
class Words:
    """For people: what happened and why, what it means for them, what to do about it."""

    reason: str
    impact: str
    recommendation: str


def words(change: Change, entity: str) -> Words:
    """The words of one incident event."""
    name = shown(entity)
    reason = _begin(_REASONS[change.kind](change, name), name)
    return Words(reason, impact(change, name), recommendation(change, name))


def _begin(sentence: str, name: str) -> str:
    """A capital first, but neither in an entity's name nor in p99."""
    if sentence.startswith(name) or sentence[1:2].isdigit():
        return sentence
    return sentence[:1].upper() + sentence[1:]


def symptom(window: Window, name: str, still: str = "") -> str:
    """`p99 latency of checkout is 2.3 s, expected 180–420 ms; errors rose with it`; no full stop."""
    main = max(window.contributions, key=lambda one: one.share, default=None)
    if main is None:
        verb = f"{still} behaves" if still else "behaves"
        return f"{name} {verb} unusually (anomaly score {window.score:.1f}, limit 1.0)"
    others = [one for one in window.contributions if one is not main and one.share >= _MENTIONED_SHARE]
    return _level(main, name, still) + _company(main, others)


def _level(one: Contribution, name: str, still: str) -> str:
    of_messages = message_level(one, name, still)
    if of_messages is not None:
        return of_messages
    metric = read_metric(one.metric)
    verb = "are " if metric.plural else "is "
    verb += f"{still} " if still else ""
    if one.actual is None:
        way = "low" if one.direction == "down" else "high"
        return f"{metric.label} of {name} {verb}unusually {way}"
    value = quantity(one.actual, metric.unit)
    text = f"{metric.label} of {name} {verb}{value}"
    if one.low is None and one.high is None:
        return text
    low = float("-inf") if one.low is None else one.low
    high = float("inf") if one.high is None else one.high
    usual = span(low, high, metric.unit)
    if low <= one.actual <= high:
        return f"{text} (expected {usual}), but {manner(one.feature, one.direction != 'down', metric.plural)}"
    if value == quantity(high if one.actual > high else low, metric.unit):
        return f"{text}, slightly {'above' if one.actual > high else 'below'} the expected {usual}"
    return f"{text}, expected {usual}"


def _company(main: Contribution, others: list[Contribution]) -> str:
    """Other metric families that moved at the same time: `; errors rose and traffic fell with it`."""
    seen = {read_metric(main.metric).family}
    moves: list[tuple[str, str]] = []
    for one in others:
        family = read_metric(one.metric).family
        if family not in seen and len(moves) < 2:
            seen.add(family)
            moves.append((call_family(family), "fell" if one.direction == "down" else "rose"))
    if not moves:
        return ""
    if len(moves) == 2 and moves[0][1] == moves[1][1]:
        return f"; {moves[0][0]} and {moves[1][0]} {moves[0][1]} with it"
    return "; " + " and ".join(f"{family} {verb}" for family, verb in moves) + " with it"


def lasted(incident: Incident) -> str:
    """From the start of the first to the end of the last anomalous window."""
    return duration(incident.last_anomalous_at - incident.first_anomalous_at)


def _gone_silent(incident: Incident, name: str, now: int) -> str:
    since = f"since {clock(incident.first_anomalous_at)} ({duration(now - incident.first_anomalous_at)})"
    habit = ", though it usually reports without a break" if incident.regular else ""
    return f"{name} has gone silent: nothing has come {since}{habit}"


def _created(change: Change, name: str) -> str:
    if change.silent and change.incident.cause == SILENCE:
        return f"{_gone_silent(change.incident, name, change.time)}."
    return f"{symptom(change.incident.evidence, name)}."


def _continued(change: Change, name: str) -> str:
    incident = change.incident
    since = duration(change.time - incident.first_anomalous_at)
    if change.returned:
        return f"{name} sends again after its silence, but {symptom(incident.evidence, name)}."
    if incident.severity < change.before:
        eased = f"{name} has eased from {SEVERITIES[change.before]} to {SEVERITIES[incident.severity]}"
        return f"{eased}: {symptom(incident.evidence, name, 'still')}."
    if change.silent:
        return f"{name} is silent and cannot be judged; the incident began {since} ago."
    if incident.clean:
        return f"{name} is recovering: {change.rule} in a row, {since} after it began."
    return f"{symptom(incident.evidence, name, 'still')}, {since} after it began."


def _escalated(change: Change, name: str) -> str:
    before, now = SEVERITIES[change.before], SEVERITIES[change.incident.severity]
    if change.silent:
        return f"{name} got worse, from {before} to {now}: it sends nothing any more."
    return f"{name} got worse, from {before} to {now}: {symptom(change.incident.evidence, name)}."


def _resolved(change: Change, name: str) -> str:
    incident = change.incident
    if incident.ending is Ending.RETIRED:
        return f"{name} has been silent for so long that it is no longer watched; it was not seen to recover."
    if incident.ending is Ending.ABANDONED:
        return f"no score of {name} has come for {change.rule.need} h; it was not seen to recover."
    if incident.ending is Ending.AGE:
        return f"{name} has been unusual for {lasted(incident)}, which makes it the new normal."
    if incident.cause == SILENCE:
        return f"{name} sends again after {lasted(incident)} of silence, and looks normal: {change.rule} in a row."
    return f"{name} is back to normal after {lasted(incident)}: {change.rule} in a row."


def _reopened(change: Change, name: str) -> str:
    incident = change.incident
    text = f"trouble is back {duration(change.since_resolved)} after it had resolved: "
    text += f"{name} has gone silent" if change.silent else symptom(incident.evidence, name)
    if incident.phase is Phase.FLAPPING:
        return f"{text}. It has come back {_times(incident.reopens)} and counts as flapping."
    return f"{text}."


def _closed(change: Change, name: str) -> str:
    incident = change.incident
    if incident.ending is Ending.AGE:
        return f"the incident of {name} is closed after {lasted(incident)}; if the trouble goes on, a new one opens."
    assert incident.resolved_at is not None
    assert incident.closed_at is not None
    grace = duration(incident.closed_at - incident.resolved_at)
    if incident.ending is Ending.CLEAN:
        return f"{name} has been fine for {grace}; the incident, which lasted {lasted(incident)}, is closed."
    return f"nothing new about {name} for {grace}; the incident, which lasted {lasted(incident)}, is closed."


def _suppressed(change: Change, name: str) -> str:
    rule, incident = change.held_by, change.incident
    assert rule is not None
    what = f"{name} sends nothing" if change.silent else symptom(incident.evidence, name)
    so = "no incident is opened" if incident.phase is Phase.HELD else "its incident is not reopened"
    said = "called this a false alarm" if rule.verdict is Verdict.FALSE_ALARM else "said to expect this"
    return f"{what}; {so}: {shown(rule.author) or 'somebody'} {said}, which holds until {moment(rule.expires_at)}."


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


_REASONS: Mapping[Kind, Callable[[Change, str], str]] = {
    Kind.CREATE: _created,
    Kind.CONTINUE: _continued,
    Kind.ESCALATE: _escalated,
    Kind.RESOLVE: _resolved,
    Kind.REOPEN: _reopened,
    Kind.CLOSED: _closed,
    Kind.SUPPRESS: _suppressed,
}
