"""Whatever order events come in, and however often: the same rows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.history.given import Tables, column, lives, tables, written
from workers.history.rows import Event

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
MARKS = st.text(alphabet="..lhcs", min_size=3, max_size=30)


def _tables_of(batches: list[list[Event]]) -> Tables:
    with tempfile.TemporaryDirectory(prefix="faultline-history-", dir=MEMORY) as folder:
        return written(f"sqlite:///{folder}/history.db", batches)


@settings(max_examples=25)
@given(st.lists(MARKS, min_size=1, max_size=3), st.data())
def test_any_order_any_division_and_any_repetition_give_the_same_rows(marks: list[str], data: st.DataObject) -> None:
    events = [event for number, one in enumerate(marks) for event in lives(one, entity=f"entity-{number}")]
    again = data.draw(st.lists(st.sampled_from(events), max_size=20)) if events else []
    shuffled = data.draw(st.permutations(events + again))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=6)))
    batches = [list(shuffled[a:b]) for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    assert _tables_of(batches) == _tables_of([events])


def test_a_row_says_what_the_latest_event_says_and_the_worst_of_all(url: str) -> None:
    events = lives("c" + "l" * 9)
    assert [event["severity"] for event in events][-1] == "low"
    written(url, [events])
    (incident,) = {event["incident_id"] for event in events}
    assert column(url, "severity")[incident] == "low"
    assert column(url, "highest_severity")[incident] == "critical"
    assert column(url, "updated_at")[incident] == events[-1]["time"]
    assert column(url, "contributions")[incident] == events[-1]["contributions"]


def test_an_older_event_never_overwrites_a_newer_row(url: str) -> None:
    events = lives("hh....")
    before = written(url, [events[1:]])
    after = written(url, [events[:1]])
    assert after["incidents"] == before["incidents"]
    assert len(after["incident_events"]) == len(events)


@pytest.mark.parametrize(
    ("marks", "state"),
    [("h", "open"), ("h.", "resolved"), ("h" + "." * 20, "closed"), ("h.h.h", "flapping"), ("h.h.h..", "resolved")],
)
def test_the_state_is_where_the_incident_is_in_its_life(url: str, marks: str, state: str) -> None:
    events = lives(marks)
    written(url, [events])
    assert list(column(url, "state").values()) == [state]
    written(url, [[event] for event in reversed(events)])
    assert list(column(url, "state").values()) == [state]


def test_what_a_rule_held_back_is_suppressed_and_over(url: str) -> None:
    held: dict[str, Any] = {**lives("h")[0], "type": "SUPPRESS"}
    written(url, [[held]])
    assert list(column(url, "state").values()) == ["suppressed"]
    assert list(column(url, "closed_at").values()) == [held["time"]]


def test_what_a_rule_kept_from_reopening_stays_resolved(url: str) -> None:
    resolved = next(event for event in lives("h" + "." * 12) if event["type"] == "RESOLVE")
    held: dict[str, Any] = {**resolved, "type": "SUPPRESS", "sequence": resolved["sequence"] + 1}
    written(url, [[resolved, held]])
    assert list(column(url, "state").values()) == ["resolved"]
    assert list(column(url, "closed_at").values()) == [None]


def test_both_databases_give_back_what_went_in(url: str) -> None:
    events = lives("h.h" + "." * 12, entity="käse/𝄞 'quoted' %_") + lives("..s...", entity="b")
    found = tables(url) if written(url, [events]) else {}
    ids = {event["incident_id"] for event in events}
    assert len(found["incidents"]) == len(ids)
    assert len(found["incident_events"]) == len(events)
    assert [row[0] for row in found["entities"]] == ["b", "käse/𝄞 'quoted' %_"]
