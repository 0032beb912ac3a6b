"""The text of a log event is kept where it is wanted, bounded, and nowhere else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.events import decode_events, events_to_dicts
from tests.workers.intake.test_intake_stage import CANONICAL, PLAIN, intake, outputs
from workers.intake.messages import shortened

NEW = b"<34>1 2026-03-01T12:00:00.003Z web-1 nginx 312 ID47 "


def messages(value: Any, **environ: str) -> list[str | None]:
    found = outputs([value if isinstance(value, bytes) else orjson.dumps(value)], intake(12, **environ))
    events, _ = decode_events([one.value for one in found], [one.key for one in found])
    return [event.get("attributes", {}).get("message") for event in events_to_dicts(events)]


KEPT = {"INTAKE__MESSAGE_BYTES": "64"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({**PLAIN, "message": "user bob logged in"}, "user bob logged in"),
        ({**PLAIN, "msg": "short"}, "short"),
        ({**PLAIN, "log": {"level": "info"}, "body": "otel"}, "otel"),
        (b"<34>Mar  1 12:00:00 web-1 nginx[312]: connection refused", "connection refused"),
        (NEW + b"- \xef\xbb\xbfwent down", "went down"),
        (NEW + rb'[a@1 x="q \] \" r"][b] went down', "went down"),
        (NEW + b"-", None),
    ],
)
def test_texts_of_lines_and_objects_are_kept_on_demand_only(value: Any, text: str | None) -> None:
    assert messages(value, **KEPT) == [text]
    assert messages(value) == [None]


def test_naming_templates_keeps_texts_unless_told_otherwise() -> None:
    value = {**PLAIN, "message": "hello"}
    templates = {"WINDOWS__LOG_TEMPLATES": "templates-x.json"}
    assert messages(value, **templates) == ["hello"]
    assert messages(value, **templates, INTAKE__MESSAGE_BYTES="0") == [None]


def test_long_texts_are_cut_between_words_whatever_the_format() -> None:
    text = "word " * 100
    for value in ({**PLAIN, "message": text}, {**CANONICAL, "attributes": {"message": text}}):
        (found,) = messages(value, **KEPT)
        assert found == " ".join(["word"] * 13)


def test_a_canonical_event_keeps_its_attribute_where_no_bound_is_set() -> None:
    assert messages({**CANONICAL, "attributes": {"message": "x " * 600}}) == ["x " * 600]


@given(st.text(max_size=200), st.integers(1, 60))
@example(" \U00010000" + "0", 5)
def test_shortened_texts_begin_as_they_did_and_fit(text: str, most: int) -> None:
    short = shortened(text, most)
    assert len(short.encode()) <= most
    assert text.startswith(short)
