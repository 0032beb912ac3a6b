"""Where log lines go: to standard error as it is when they are written."""

from __future__ import annotations

import io
import json
import sys

import pytest
import structlog

from workers.runtime import logs

log = structlog.get_logger()


def test_lines_are_json_with_what_was_bound(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json", worker="windows")
    log.info("committed", records=3)
    log.debug("not at this level")
    written = capsys.readouterr()
    assert written.out == ""
    (line,) = map(json.loads, written.err.splitlines())
    assert {"worker": "windows", "event": "committed", "records": 3, "level": "info"}.items() <= line.items()


def test_a_logger_in_use_follows_standard_error_when_it_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    logs.configure("info", "json")
    log.warning("before")
    first.close()
    monkeypatch.setattr(sys, "stderr", second)
    log.warning("after")
    assert json.loads(second.getvalue())["event"] == "after"


def test_an_error_tells_its_traceback_without_the_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    password = "hunter2"
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
    written = capsys.readouterr().err
    assert "broken" in written
    assert password not in written
