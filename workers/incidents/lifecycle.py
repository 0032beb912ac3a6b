"""The life of an incident as pure steps: a window comes (`advance`), or only time passes (`expire`).

Both change the track handed in and return what happened, in order. They know no clock: time is the end of a window.

| state | what moves it |
|---|---|
| none | m of the last n windows anomalous, or one critical: CREATE |
| open | k clean windows in a row, retirement, no score for too long, or too old: RESOLVE |
| resolved | the opening rule within the grace: REOPEN; the grace over: CLOSED |
| held | what would have opened, and feedback holds it back: `workers.incidents.holding` |

A window is *anomalous* from score 1.0 on; *clean* if events came and the score is below the lower boundary; *empty* if
nothing came and it is not anomalous; else in between. Empty windows change nothing: no data is no proof of health, so
silence never resolves an incident.
"""

from __future__ import annotations

from enum import Enum, auto

from workers.incidents.feedback import NO_RULES, Rules
from workers.incidents.holding import calm_down, hold, hold_ended
from workers.incidents.identity import fingerprint_id, incident_id, pattern
from workers.incidents.incident import DEVIATION, SILENCE, Change, Ending, Incident, Kind, Phase, Rule, Track, changed
from workers.incidents.occurrences import Occurrences
from workers.incidents.policy import HOUR, MINUTE, SECOND, Policy
from workers.incidents.scores import CRITICAL, LOW, SEVERITIES, Window

_OPEN = (Phase.OPEN, Phase.FLAPPING)


class _Is(Enum):
    ANOMALOUS = auto()
    CLEAN = auto()
    BETWEEN = auto()
    EMPTY = auto()


def advance(
    policy: Policy,
    entity: str,
    profile: str,
    track: Track,
    occurrences: Occurrences,
    window: Window,
    rules: Rules = NO_RULES,
) -> list[Change]:
    """Take the next window of an entity (`window.end` above `track.last_end`, or as late rules allow).

    `rules` are those of feedback that are in force for it.
    """
    track.last_end = max(track.last_end, window.end)
    if window.retired:
        return _retire(track, window)
    judged = _judge(policy, window)
    if judged is _Is.EMPTY:
        return _while_open(policy, track, window, judged)
    incident = track.incident
    if incident is not None and incident.phase in _OPEN:
        return _while_open(policy, track, window, judged)
    _remember(policy, track, window)
    opening = _opening(policy, track, window)
    if opening is None:
        calm_down(policy, track, window, clean=judged is _Is.CLEAN)
        return []
    rule, shown = opening
    fingerprint = fingerprint_id(entity, profile, pattern(shown))
    severity = max(past.severity for past in track.recent if past is not None)
    held_by = rules.holding(entity, profile, fingerprint, severity, window.end)
    if incident is not None and incident.phase is Phase.RESOLVED:
        if held_by is None:
            return [_reopen(policy, track, incident, window, rule)]
        return hold(incident, window, severity, held_by)
    would_open = _incident(track, occurrences, window, fingerprint)
    if held_by is None:
        return [_create(track, occurrences, would_open, window, rule)]
    if track.incident is None:
        track.incident = would_open
    return hold(track.incident, window, severity, held_by)


def expire(policy: Policy, track: Track, now: int, score_id: str) -> list[Change]:
    """What the watermark `now`, moved by the score `score_id`, ends: grace times, and entities that sent no score."""
    changes = []
    abandoned = track.last_end + policy.abandon_after
    incident = track.incident
    if incident is not None and incident.phase is Phase.HELD:
        if not hold_ended(policy, track, incident, now):
            return []
        incident = track.incident = None
    if incident is not None and incident.phase is not Phase.RESOLVED and abandoned <= now:
        hours = policy.abandon_after // HOUR
        rule = Rule("hours without any score", hours, hours)
        changes.append(_resolve(track, incident, now, score_id, rule, Ending.ABANDONED, at=abandoned))
    if incident is not None and incident.resolved_at is not None and incident.resolved_at + policy.close_after <= now:
        changes.append(_close(policy, track, incident, now, score_id))
    if track.incident is None and track.recent and abandoned <= now:
        track.recent.clear()
    return changes


def due(policy: Policy, track: Track) -> int | None:
    """From which watermark on `expire` changes something, epoch microseconds."""
    incident = track.incident
    if incident is not None and incident.resolved_at is not None:
        return incident.resolved_at + policy.close_after
    return None if track.idle else track.last_end + policy.abandon_after


def _judge(policy: Policy, window: Window) -> _Is:
    if window.anomalous:
        return _Is.ANOMALOUS
    if window.silent or window.events == 0:
        return _Is.EMPTY
    return _Is.CLEAN if window.score < policy.clear_below else _Is.BETWEEN


def _remember(policy: Policy, track: Track, window: Window) -> None:
    track.recent.append(window if window.anomalous else None)
    del track.recent[: -policy.open_of]
    if not any(track.recent):
        track.recent.clear()


def _opening(policy: Policy, track: Track, window: Window) -> tuple[Rule, list[Window]] | None:
    """The rule by which this window opens an incident, and the windows that make its fingerprint."""
    anomalous = [past for past in track.recent if past is not None]
    if window.anomalous and len(anomalous) >= policy.open_windows:
        rule = Rule(f"anomalous windows among the last {policy.open_of}", len(anomalous), policy.open_windows)
        return rule, anomalous
    return (Rule("critical windows", 1, 1), [window]) if window.severity >= CRITICAL else None


def _incident(track: Track, occurrences: Occurrences, window: Window, fingerprint: str) -> Incident:
    """The incident that this window would open: the one held back until now, if it has the same pattern."""
    anomalous = [past for past in track.recent if past is not None]
    held = track.incident if track.incident is not None and track.incident.fingerprint == fingerprint else None
    first = min(past.start for past in anomalous) if held is None else held.first_anomalous_at
    return Incident(
        id=incident_id(fingerprint, first),
        fingerprint=fingerprint,
        cause=SILENCE if all(past.silent for past in anomalous) else DEVIATION,
        regular=window.regular,
        severity=max(past.severity for past in anomalous),
        phase=Phase.HELD,
        first_anomalous_at=first,
        opened_at=window.end,
        last_anomalous_at=window.end,
        evidence=window,
        occurrence_count=occurrences.count(fingerprint, window.end),
        window_count=len(anomalous) if held is None else held.window_count + 1,
        sequence=0 if held is None else held.sequence,
    )


def _create(track: Track, occurrences: Occurrences, incident: Incident, window: Window, rule: Rule) -> Change:
    incident.phase = Phase.OPEN
    incident.occurrence_count = occurrences.open(incident.fingerprint, window.end)
    track.recent.clear()
    track.incident = incident
    return changed(Kind.CREATE, incident, window.end, window.score_id, rule, before=0, silent=window.silent)


def _reopen(policy: Policy, track: Track, incident: Incident, window: Window, rule: Rule) -> Change:
    anomalous = [past for past in track.recent if past is not None]
    track.recent.clear()
    before = incident.severity
    since = window.end - (incident.resolved_at or window.end)
    incident.reopens += 1
    incident.phase = Phase.FLAPPING if incident.reopens >= policy.flap_reopens else Phase.OPEN
    incident.resolved_at, incident.ending = None, None
    incident.severity = max(past.severity for past in anomalous)
    incident.regular = window.regular
    incident.window_count += len(anomalous)
    incident.last_anomalous_at = window.end
    incident.evidence = window
    incident.clean = incident.below = incident.below_top = 0
    incident.held = False
    if not window.silent:
        incident.cause = DEVIATION
    return changed(
        Kind.REOPEN, incident, window.end, window.score_id, rule, before=before, silent=window.silent, since=since
    )


def _while_open(policy: Policy, track: Track, window: Window, judged: _Is) -> list[Change]:
    incident = track.incident
    if incident is None or incident.phase not in _OPEN:
        return []
    before = incident.severity
    returned = judged is _Is.ANOMALOUS and _see_anomaly(incident, window)
    need = policy.flap_resolve_windows if incident.phase is Phase.FLAPPING else policy.resolve_windows
    if judged is not _Is.EMPTY:
        incident.clean = incident.clean + 1 if judged is _Is.CLEAN else 0
    clean = Rule("clean windows", incident.clean, need)
    end, score = window.end, window.score_id
    if incident.clean >= need:
        return [_resolve(track, incident, end, score, clean, Ending.CLEAN, at=end)]
    if end - incident.opened_at >= policy.max_age:
        return _outlive(policy, track, incident, window)
    if incident.severity > before:
        rule = Rule(f"{SEVERITIES[incident.severity]} windows", 1, 1)
        return [changed(Kind.ESCALATE, incident, end, score, rule, before=before, silent=window.silent)]
    lowered = _lower(policy, incident, window) if judged is not _Is.EMPTY else None
    if lowered or returned or end - incident.written_at >= policy.continue_every:
        return [
            changed(
                Kind.CONTINUE,
                incident,
                end,
                score,
                lowered or clean,
                before=before,
                silent=window.silent,
                returned=returned,
            )
        ]
    return []


def _see_anomaly(incident: Incident, window: Window) -> bool:
    """Count an anomalous window; True when the entity had only been silent and now deviates."""
    incident.window_count += 1
    incident.last_anomalous_at = window.end
    incident.evidence = window
    if window.severity > incident.severity:
        incident.severity = window.severity
        incident.below = incident.below_top = 0
    if window.silent or incident.cause == DEVIATION:
        return False
    incident.cause = DEVIATION
    incident.regular = window.regular
    return True


def _lower(policy: Policy, incident: Incident, window: Window) -> Rule | None:
    """De-escalation: enough windows in a row below the incident's severity take it down to the highest of them."""
    if window.severity >= incident.severity:
        incident.below = incident.below_top = 0
        return None
    incident.below += 1
    incident.below_top = max(incident.below_top, window.severity, LOW)
    if incident.below < policy.lower_windows or incident.below_top >= incident.severity:
        return None
    rule = Rule(f"windows below {SEVERITIES[incident.severity]}", incident.below, policy.lower_windows)
    incident.severity = incident.below_top
    incident.below = incident.below_top = 0
    return rule


def _retire(track: Track, window: Window) -> list[Change]:
    """The entity is no longer watched: it will send no window that could resolve its incident."""
    incident = track.incident
    track.recent.clear()
    if incident is not None and incident.phase is Phase.HELD:
        incident.resolved_at = window.end if incident.resolved_at is None else incident.resolved_at
    if incident is None or incident.phase not in _OPEN:
        return []
    rule = Rule("retirements", 1, 1)
    return [_resolve(track, incident, window.end, window.score_id, rule, Ending.RETIRED, at=window.end)]


def _outlive(policy: Policy, track: Track, incident: Incident, window: Window) -> list[Change]:
    """Too old: resolved and closed at once, or the next anomalous windows would only reopen it."""
    end, score, hours = window.end, window.score_id, policy.max_age // HOUR
    resolved = _resolve(track, incident, end, score, Rule("hours of age", hours, hours), Ending.AGE, at=end)
    return [resolved, _close(policy, track, incident, end, score, at=end)]


def _resolve(track: Track, incident: Incident, now: int, score_id: str, rule: Rule, ending: Ending, at: int) -> Change:
    incident.phase, incident.ending, incident.resolved_at = Phase.RESOLVED, ending, at
    incident.clean = incident.below = incident.below_top = 0
    track.recent.clear()
    return changed(Kind.RESOLVE, incident, now, score_id, rule, before=incident.severity)


def _close(policy: Policy, track: Track, incident: Incident, now: int, score_id: str, at: int | None = None) -> Change:
    assert incident.resolved_at is not None
    incident.phase = Phase.CLOSED
    incident.closed_at = incident.resolved_at + policy.close_after if at is None else at
    track.incident = None
    if at is not None:
        rule = Rule("hours of age", policy.max_age // HOUR, policy.max_age // HOUR)
    elif policy.close_after < MINUTE:
        rule = Rule("seconds of grace", policy.close_after // SECOND, policy.close_after // SECOND)
    else:
        rule = Rule("minutes of grace", policy.close_after // MINUTE, policy.close_after // MINUTE)
    return changed(Kind.CLOSED, incident, now, score_id, rule, before=incident.severity)
