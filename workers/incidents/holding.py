"""What feedback holds back: said once by SUPPRESS, watched in silence until it is over or the rule ends.

An incident that would have opened is *held* instead. It has an id and a fingerprint as if it had opened, and takes
numbers of the same sequence: where the rule ends while the trouble goes on, the opening rule opens it, and CREATE comes
after SUPPRESS. It is over as an incident would be: clean windows in a row, then the grace. Nothing says so, since
nothing had opened. Of a resolved incident its REOPEN is held back; it closes when its grace is over, as it would have.
"""

from __future__ import annotations

from dataclasses import replace

from workers.incidents.feedback import Feedback
from workers.incidents.incident import Change, Incident, Kind, Phase, Rule, Track, changed
from workers.incidents.policy import Policy
from workers.incidents.scores import Window


def hold(incident: Incident, window: Window, severity: int, by: Feedback) -> list[Change]:
    """The opening rule would open (or reopen) this incident now, with that severity, and `by` keeps it from that."""
    if incident.phase is Phase.HELD:
        _go_on(incident, window)
    if incident.held:
        return []
    incident.held = True
    change = changed(
        Kind.SUPPRESS, incident, window.end, window.score_id, Rule(str(by), 1, 1), before=severity, silent=window.silent
    )
    return [replace(change, incident=replace(change.incident, severity=severity, evidence=window), held_by=by)]


def calm_down(policy: Policy, track: Track, window: Window, clean: bool) -> None:
    """A window that does not fulfil the opening rule."""
    incident = track.incident
    if incident is None or incident.phase is not Phase.HELD:
        return
    if window.anomalous:
        incident.window_count += 1
        incident.last_anomalous_at = window.end
    incident.clean = incident.clean + 1 if clean else 0
    if incident.clean >= policy.resolve_windows and incident.resolved_at is None:
        incident.resolved_at = window.end
        track.recent.clear()


def hold_ended(policy: Policy, track: Track, incident: Incident, now: int) -> bool:
    """Whether what is held back is over by the watermark `now`."""
    if incident.resolved_at is not None:
        return incident.resolved_at + policy.close_after <= now
    return track.last_end + policy.abandon_after <= now


def _go_on(incident: Incident, window: Window) -> None:
    incident.resolved_at, incident.clean = None, 0
    if incident.held:  # else it is what this window would have opened, and counts it
        incident.window_count += 1
        incident.last_anomalous_at = window.end
        incident.evidence = window
