"""One list of levels: what intake writes as a level, and what loggers call theirs, is understood by every profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from models.features.levels import level_score
from tests.workers.windows.pane_events import Event, table
from workers.intake.formats import syslog
from workers.intake.otlp import items
from workers.windows.extract import Extractor

SECOND = 1_000_000
MAPPING = yaml.safe_load((Path(syslog.__file__).parents[1] / "mapping.yaml").read_text())
SYSLOG = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""RFC 5424, table 2, as syslog(3) names them; the index is the severity."""


def flags(*levels: str) -> list[tuple[bool, bool]]:
    """Whether an event of each level is an error, and a warning, to the pane profiles."""
    events = table([Event(SECOND, "a", attributes={"level": level}) for level in levels])
    out = Extractor().events(events, np.zeros(len(levels), np.bool_), 10 * SECOND)
    return list(zip(out["error"].tolist(), out["warning"].tolist(), strict=True))


def test_every_level_that_intake_writes_has_a_score() -> None:
    written = {*syslog._LEVELS, *items._LEVELS[1:], *MAPPING["values"]["level"].values()}
    names = {text for text in MAPPING["values"]["level"] if not text.isdigit()}
    assert [level for level in sorted(written | names) if level_score(level) is None] == []


def test_a_name_means_the_same_with_the_mapping_and_without() -> None:
    names = {text: made for text, made in MAPPING["values"]["level"].items() if not text.isdigit()}
    assert {text: level_score(text) for text in names} == {text: level_score(made) for text, made in names.items()}


def test_syslogs_names_mean_what_their_numbers_mean() -> None:
    assert [level_score(name) for name in SYSLOG] == [level_score(level) for level in syslog._LEVELS]


@pytest.mark.parametrize("level", ["crit", "ALERT", "emergency", "Panic", "ftl", "SEVERE", " fatal "])
def test_what_is_worse_than_an_error_is_one_to_the_panes(level: str) -> None:
    assert flags(level) == [(True, False)]


def test_what_is_no_name_of_a_level_is_neither_error_nor_warning() -> None:
    assert flags("notice", "verbose", "wrn", "loud", "3", "") == [
        (False, False), (False, False), (False, True), (False, False), (False, False), (False, False),
    ]  # fmt: skip
