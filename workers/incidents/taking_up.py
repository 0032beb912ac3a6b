"""Putting feedback into force: what control records change in the table of rules, from which input offset on."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from workers.incidents.controls import read_control
from workers.incidents.partition import PartitionState
from workers.incidents.rule_table import Taken
from workers.runtime.stage import Control

log = structlog.get_logger(__name__)


def take_up(state: PartitionState, offset: int, controls: Sequence[Control]) -> list[str]:
    """Put feedback into force for records from `offset` on; the rules that changed, in order, each once.

    Where more rules would be in force than the policy allows, those that expire first give way.
    """
    table, policy, now = state.rules, state.policy, state.watermark
    # What no replay can meet, told by time alone: how far back it would begin just now, a rebuilt state need not know.
    # And what expired so long ago that no window counts which it could hold back: not now, and not in a replay.
    changed = dict.fromkeys(table.drop(now - policy.replay_most, now - policy.forget_after))
    for control in controls:
        id_ = _take(state, offset, control)
        if id_ is not None:
            changed[id_] = None
    for id_ in table.surplus(policy.most_rules):
        latest = table.latest(id_)
        assert latest is not None
        table.put(id_, Taken(offset, latest.control, now, None))
        changed[id_] = None
        log.warning("too many rules of feedback: the one that expires first gives way", rule=id_)
    return list(changed)


def _take(state: PartitionState, offset: int, control: Control) -> str | None:
    """Take one control record up; the id of the rule that it changed."""
    try:
        read = read_control(control)
    except ValueError as error:
        log.warning("control record not understood", key=control.key.decode("utf-8", "replace"), error=str(error))
        return None
    if read is None:
        return None
    id_, feedback = read
    latest = state.rules.latest(id_)
    if latest is None:
        if feedback is None or feedback.expires_at <= state.watermark - state.policy.abandon_after:
            return None  # no window that counts can meet it
    elif control.offset <= latest.control or latest.feedback == feedback:
        return None
    state.rules.put(id_, Taken(offset, control.offset, state.watermark, feedback))
    log.info("feedback taken back" if feedback is None else "feedback in force", rule=str(feedback or id_), at=offset)
    return id_
