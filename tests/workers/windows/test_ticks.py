"""When a tick is due, and what a tick looks like on the topic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workers.progress import TICK_HEADER
from workers.windows.ticks import Tick, TickFacts, TickPolicy, due, read_tick, tick_places

S = 1_000_000
NOW = 1_750_000_000 * S
QUIET = TickFacts(
    last_offset=41, last_was_tick=False, last_behind=2 * S, quiet_since=NOW - 30 * S, at_end=True, intake_lag=0
)


def test_a_live_partition_that_is_quiet_for_the_idle_timeout_gets_a_tick_after_its_last_record() -> None:
    assert due(TickPolicy(), QUIET, NOW) == Tick(NOW, 41, "idle")


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(QUIET, quiet_since=NOW - 30 * S + 1), id="quiet for less than the time-out"),
        pytest.param(replace(QUIET, at_end=False), id="records left to read"),
        pytest.param(replace(QUIET, intake_lag=1), id="records that intake has not read"),
        pytest.param(replace(QUIET, intake_lag=None), id="nobody can tell what intake has not read"),
        pytest.param(replace(QUIET, last_behind=61 * S), id="a backfill that pauses"),
        pytest.param(replace(QUIET, last_offset=None), id="nothing was ever read"),
    ],
)
def test_no_tick_is_due_where_the_quiet_may_be_something_else(facts: TickFacts) -> None:
    assert due(TickPolicy(), facts, NOW) is None


def test_a_tick_follows_a_tick_however_old_the_last_event_is() -> None:
    assert due(TickPolicy(), replace(QUIET, last_was_tick=True, last_behind=10**12), NOW) == Tick(NOW, 41)


def test_an_idle_timeout_of_zero_means_no_ticks() -> None:
    assert due(TickPolicy(idle_timeout=0), QUIET, NOW) is None


def test_a_tick_reads_back_from_its_record() -> None:
    for tick in (Tick(NOW + 7, 41), Tick(NOW, 0, "end")):
        assert read_tick(tick.encode(), tick.headers) == tick
    assert Tick(NOW, 41).encode() == b'{"time":"2025-06-15T15:06:40.000000Z","as_of":41}'


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"", b"idle"),
        (None, b"idle"),
        (b"[]", b"idle"),
        (b'{"time": 5, "as_of": 1}', b"idle"),
        (b'{"time": "2025-06-15T15:06:40Z", "as_of": "1"}', b"idle"),
        (b'{"time": "2025-06-15T15:06:40Z", "as_of": true}', b"idle"),
        (b'{"time": "2025-06-15T15:06:40Z"}', b"idle"),
        (b'{"time": "2025-06-15T15:06:40Z", "as_of": 1}', b"\xff"),
    ],
)
def test_a_damaged_tick_is_none(value: bytes | None, kind: bytes) -> None:
    assert read_tick(value, [(TICK_HEADER, kind)]) is None


def test_only_records_without_key_and_with_the_header_are_ticks() -> None:
    tick = [(TICK_HEADER, b"idle")]
    assert tick_places([b"a", None, None, b"b"], [None, tick, [("other", b"")], tick]) == [1]
