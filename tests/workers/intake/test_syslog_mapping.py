"""Syslog lines by a mapping of one's own: everything a line has can be entity, kind, metric or attribute."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from schemas.records import decode
from tests.workers.intake.test_intake_stage import intake, step
from workers.intake.mapping_files import MappingError
from workers.intake.mappings import Mappings
from workers.settings import IntakeSettings

PAGE = Path(__file__).parents[3] / "docs" / "intake.md"
NEW = b'<34>1 2026-03-01T12:00:00Z web-1 shop 312 PAID [timing ms="84.5" q="a\\"b\\]"][meta region="eu"] paid by card'
OLD = b"<38>Mar  1 12:00:00 web-1 shop[312]: started"


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    """The example of the documentation."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (example,) = (block for block in blocks if "structured.timing.ms" in block)
    (tmp_path / "syslog.yaml").write_text(example)
    return str(tmp_path / "syslog.yaml")


def _seen(output: Any) -> tuple[Any, ...]:
    (event,) = decode("Event", [output.value])[0]
    assert event is not None
    metrics = {name: one if isinstance(one, float) else one["value"] for name, one in event["metrics"].items()}
    return event["entity"], event["kind"], dict(event["attributes"]), metrics


def test_the_example_makes_metrics_of_structured_data_and_keeps_what_has_none(mapping: str) -> None:
    found = step([NEW, OLD], intake(INTAKE__SYSLOG=mapping, INTAKE__MESSAGE_BYTES="100"))[0]
    assert found.dead == []
    assert found.counts["format_syslog"] == 2
    paid, started = (_seen(output) for output in found.outputs)
    assert paid == (
        "web-1/shop",
        "api",
        {"service": "shop", "host": "web-1", "level": "CRITICAL", "message": "paid by card", "region": "eu"},
        {"latency_ms": 84.5},
    )
    assert started[:2] == ("web-1/shop", "log")


def test_what_is_no_line_and_what_lacks_the_entity_are_dead_letters_at_their_places(mapping: str) -> None:
    values = [OLD, b"<34>hello", b"<34>1 2026-03-01T12:00:00Z - shop - - - x", NEW]
    (found,) = step(values, intake(INTAKE__SYSLOG=mapping))
    assert [(letter.index, letter.error_class) for letter in found.dead] == [(1, "malformed"), (2, "invalid")]
    assert len(found.outputs) == 2
    (nothing,) = step([b"<34>hello"], intake(INTAKE__SYSLOG=mapping))
    assert (len(nothing.dead), nothing.outputs) == (1, [])


def test_escapes_of_structured_data_are_undone(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(
        "timestamp: {paths: [timestamp]}\nattributes: {service: [service], q: [structured.timing.q], pid: [procid]}\n"
    )
    (found,) = step([NEW], intake(INTAKE__SYSLOG=str(path)))
    assert _seen(found.outputs[0])[2] == {"service": "shop", "q": 'a"b]', "pid": "312"}


def test_a_file_that_is_not_there_is_told_with_its_setting() -> None:
    with pytest.raises(MappingError, match="FAULTLINE_INTAKE__SYSLOG"):
        Mappings.load(IntakeSettings(syslog="/nowhere.yaml"))
