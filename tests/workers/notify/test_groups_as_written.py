"""What the groups worker writes is what targets of groups page by."""

from __future__ import annotations

import orjson

from schemas.records import decode
from tests.workers.groups.made_up import incident
from tests.workers.notify.given import MINUTE, NOON
from workers.groups.events import EventWriter
from workers.groups.links import Links
from workers.groups.policy import Policy
from workers.groups.state import State
from workers.groups.step import step
from workers.notify.notice import of_group


def test_a_group_pages_by_its_sentence_its_cause_and_all_its_entities() -> None:
    policy, links, state = Policy(), Links(), State()
    writer = EventWriter(policy, links, "groups")
    events = [
        incident("cart", "CREATE", 0),
        incident("pay", "CREATE", 2, severity="critical"),
        incident("cart", "RESOLVE", 9),
        incident("pay", "RESOLVE", 10),
    ]
    written = [writer.output(change) for event in events for change in step(policy, links, state, event)]
    decoded, faults = decode("GroupEvent", [output.value for output in written])
    assert not faults
    notices = [of_group(event) for event in decoded if event is not None]
    assert [notice.type for notice in notices] == ["CREATE", "ESCALATE", "CONTINUE", "RESOLVE"]
    assert {notice.key for notice in notices} == {orjson.loads(written[0].value or b"")["group_id"]}
    worse, over = notices[1], notices[-1]
    assert (worse.severity, worse.cause, worse.regular) == ("critical", "deviation", True)
    assert set(worse.entities) == {"cart", "pay"}
    assert worse.reason.startswith("It got worse, from high to critical: all 2 incidents of 2 entities are open")
    assert (over.over, over.ended_at - NOON) == (True, 10 * MINUTE)
    assert over.opened_at == NOON
