"""The history's step: what it passes on, what it skips, what is no event."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.stage_contract import (
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    random_cut,
    run,
)
from tests.workers.history.given import lives, records
from workers.history.stage import ADDRESS, HistoryStage, event_of
from workers.runtime.records import Output
from workers.runtime.stage import NO_WATERMARK

EVENTS = lives("..hhh..lll......") + lives(".s...cc..", entity="search")
MIXED = [*EVENTS[:3], b"{", None, *EVENTS[3:], b"\xc3\x01rubbish"]


@pytest.mark.parametrize("form", ["json", "avro"])
def test_it_keeps_the_contract_of_stages(form: str) -> None:
    stage, batch = HistoryStage(), records(MIXED, [EVENTS[-1]["time"] + 10, 7], form)
    assert_cuts_do_not_matter(stage, batch, [1, 4, random_cut(len(batch), 1)])
    for at in (0, 3, 5, len(batch)):
        assert_rebuild_is_exact(stage, batch, at)


@pytest.mark.parametrize("form", ["json", "avro"])
def test_every_event_is_passed_on_as_it_was_and_nothing_else(form: str) -> None:
    stage = HistoryStage()
    found = run(stage, stage.start(0, NO_WATERMARK, []), records(MIXED, [1], form))
    assert [event_of(Output(ADDRESS, key, value)) for _, _, key, value, _, _ in found.outputs] == EVENTS
    assert {topic for _, topic, *_ in found.outputs} == {ADDRESS}
    assert [error for _, error, _ in found.dead] == ["malformed", "null_value", "unknown_form"]
    assert found.counts == {"processed": len(EVENTS), "progress": 1, "dead": 3}


def test_event_time_comes_as_far_as_events_and_progress_say() -> None:
    stage = HistoryStage()
    state = stage.start(0, NO_WATERMARK, [])
    list(stage.step(state, records(EVENTS)))
    latest = max(event["time"] for event in EVENTS)
    assert stage.watermark(state) == latest
    list(stage.step(state, records([], [EVENTS[0]["time"], latest + 99])))
    assert stage.watermark(state) == latest + 99


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"entity": "e" * 2_000}, "too_large"), ({"profile": "p" * 1_001}, "too_large")],
)
def test_what_no_database_could_hold_is_a_dead_letter(changes: dict[str, Any], error: str) -> None:
    stage = HistoryStage()
    found = run(stage, stage.start(0, NO_WATERMARK, []), records([{**EVENTS[0], **changes}], form="avro"))
    assert [one for _, one, _ in found.dead] == [error]
    assert not found.outputs


def test_a_nul_in_a_text_is_shown_as_one() -> None:
    stage = HistoryStage()
    found = run(stage, stage.start(0, NO_WATERMARK, []), records([{**EVENTS[0], "entity": "a\0b"}]))
    assert event_of(Output(ADDRESS, None, found.outputs[0][3]))["entity"] == "a␀b"
