"""Which files count: each row once, whatever a killed compaction or a second writer has left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.archive.files import File, Folder, Log, Wanted, counting, replaced

FOLDER, LOG = Folder("vectors", "service", "2026-03-01"), Log("telemetry.features.v1.0a1b2c3d", 3)


def file(first: int, last: int) -> File:
    return File(FOLDER, LOG, first, last)


def test_names_say_all_there_is_to_know() -> None:
    odd = File(Folder("scores", "a/b=c d", "0001-12-31"), Log("x-1-2.v1", 12), 7, 1_234_567_890_123)
    for one in (file(0, 9), odd):
        assert File.parse(one.path) == one
    assert file(5, 9).path == (
        "vectors/profile=service/date=2026-03-01/telemetry.features.v1.0a1b2c3d-0003-000000000005-000000000009.parquet"
    )
    for strange in (
        "vectors/date=2026-03-01/x-0-1-2.parquet",
        "notes/x.parquet",
        "vectors/profile=a/date=now/x.parquet",
    ):
        assert File.parse(strange) is None


def test_a_topic_made_anew_is_another_log() -> None:
    assert Log.of("t", "one", 0) != Log.of("t", "two", 0)
    assert Log.of("t", "", 0).name == "t"


def test_a_file_within_another_does_not_count_and_a_shared_stretch_counts_once() -> None:
    merged, small, tail = file(0, 99), file(10, 19), file(90, 120)
    assert [(part.file, part.start) for part in counting([small, tail, merged])] == [(merged, 0), (tail, 100)]
    assert replaced([small, tail, merged]) == [small]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=12))
def test_every_offset_that_a_file_covers_counts_exactly_once(spans: list[tuple[int, int]]) -> None:
    files = [file(first, first + length) for first, length in spans]
    counted = [offset for part in counting(files) for offset in range(part.start, part.file.last + 1)]
    assert sorted(counted) == sorted({offset for one in files for offset in range(one.first, one.last + 1)})


def test_days_that_cannot_hold_what_is_wanted_are_passed_over() -> None:
    noon = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
    midnight = noon + 12 * 3_600_000_000
    assert Wanted(since=noon).has(FOLDER)
    assert not Wanted(since=midnight).has(FOLDER)
    assert Wanted(until=midnight).has(FOLDER)
    assert not Wanted(until=noon - 12 * 3_600_000_000).has(FOLDER)
    assert not Wanted(("events",)).has(FOLDER)
