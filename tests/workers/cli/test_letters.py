"""Dead letters as values: parsing, choosing, marking, batching."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.cli.deadletter import render
from workers.cli.failures import WrongUse
from workers.cli.letters import Letter, Marks, Selection, batches, mark_value
from workers.cli.reading import parse_since


def letter(offset: int, partition: int = 0, size: int = 1, **changes: object) -> Letter:
    fields: dict[str, object] = {
        "partition": partition,
        "offset": offset,
        "time": 1_000,
        "key": None,
        "value": b"x" * size,
        "headers": (),
        "source_topic": "events",
        "source_partition": 0,
        "source_offset": offset,
        "stage": "windows",
        "error_class": "skew",
        "message": "ahead",
    }
    return Letter(**{**fields, **changes})  # type: ignore[arg-type]


@given(st.lists(st.sets(st.integers(0, 60), min_size=1)))
def test_marks_hold_exactly_what_was_marked_in_whatever_pieces(pieces: list[set[int]]) -> None:
    marks = Marks()
    for piece in pieces:
        marks.add(0, orjson.loads(mark_value(letter(offset) for offset in piece))["offsets"])
    marked = set().union(*pieces)
    assert {offset for offset in range(62) if letter(offset) in marks} == marked
    assert letter(0, partition=1) not in marks


def test_a_storm_is_marked_by_one_range() -> None:
    assert orjson.loads(mark_value(letter(offset) for offset in range(1000))) == {"offsets": [[0, 999]]}


def test_empty_fields_of_a_selection_mean_any() -> None:
    assert Selection().everything
    assert Selection().takes(letter(1))
    assert Selection(stage="windows", error_class="skew").takes(letter(1))
    assert not Selection(stage="intake").takes(letter(1))
    assert not Selection(source_topic="raw").takes(letter(1))
    assert Selection(since=1_000).takes(letter(1))
    assert not Selection(since=1_001).takes(letter(1))


def test_batches_are_bounded_in_records_and_bytes_and_keep_the_order() -> None:
    letters = [letter(offset, size=size) for offset, size in enumerate([4, 4, 4, 100, 1, 1])]
    cut = [[one.offset for one in batch] for batch in batches(letters, records=2, size=10)]
    assert cut == [[0, 1], [2], [3], [4, 5]]
    assert list(batches([], records=2, size=10)) == []


def test_content_is_shown_as_json_as_text_or_as_a_dump() -> None:
    assert render(b'{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert render("größer\n".encode()) == "größer\n"
    assert render(b"\x00\x01ab").startswith("00000000  00 01 61 62")
    assert render(b"\xff" * 600).endswith("600 bytes in all (--raw writes them)")
    assert render(None) == "(no value: a tombstone)"


def test_since_is_a_span_or_a_time() -> None:
    assert parse_since("") == 0
    assert parse_since("1970-01-01T00:00:01Z") == 1_000
    assert parse_since("1970-01-01T01:00:01+01:00") == 1_000
    assert parse_since("2h") - parse_since("1h") == pytest.approx(-3_600_000, abs=5_000)
    with pytest.raises(WrongUse, match="10m, 2h or 3d"):
        parse_since("yesterday")
