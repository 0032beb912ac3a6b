"""How progress is told where output is piped."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.support.clock import ScriptedClock
from workers.sources.progress import Counter


@pytest.mark.parametrize(
    ("done", "seconds", "told"),
    [(50_000, 10.0, "50,000 of 90,000 models, 5,000 models/s"), (2, 60.0, "2 of 90,000 models, 30 s each")],
)
def test_what_takes_seconds_each_is_told_by_seconds_and_not_as_none_a_second(
    done: int, seconds: float, told: str
) -> None:
    text, clock = io.StringIO(), ScriptedClock()
    with Counter(Console(file=text, width=200), "learning", 90_000, "models", clock=clock) as counter:
        clock.sleep(seconds)
        counter.add(done)
    assert text.getvalue().strip() == f"learning: {told}"
