"""Rows into files: cut where they were cut before, held while nobody takes any, written when due."""

from __future__ import annotations

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.vectors import encode_vectors, vectors_to_dicts
from tests.support.archives import DAY, START, Pod, comparable, count_files, in_archive, in_files, made_up
from workers.archive.files import File
from workers.archive.store import Store
from workers.runtime.clock import SystemClock
from workers.runtime.errors import Fatal


class HandClock(SystemClock):
    """Time that only moves when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class Dies(Exception):
    """As a kill would: nothing after it happens."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["folder", "file", "dir"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same empty folder by several kinds of address."""
    place = tmp_path / "archive"
    return {"folder": str(place), "file": f"file://{place}", "dir": f"dir::file://{place}"}[request.param]


VECTORS = made_up(60)
VALUES = encode_vectors(VECTORS)
ROWS = [comparable(row) for row in vectors_to_dicts(VECTORS)]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_what_is_filed_is_read_back_bit_for_bit(url: str, clock: HandClock) -> None:
    pod = Pod(url, clock)
    pod.feed(VALUES[:25], 100)
    pod.feed(VALUES[25:], 125)
    pod.feed(VALUES[:7], 4, partition=3)
    pod.finish()
    assert pod.held == []
    seen = in_archive(Store(url))
    assert seen == {(0, 100 + n): row for n, row in enumerate(ROWS)} | {(3, 4 + n): ROWS[n] for n in range(7)}


def test_an_archive_in_memory_is_one_too(clock: HandClock) -> None:
    pod = Pod("memory://archive-in-memory", clock)
    pod.feed(VALUES, 0)
    pod.finish()
    assert len(in_archive(Store("memory://archive-in-memory"))) == 60


def test_nothing_is_written_before_it_is_due(tmp_path: Path, clock: HandClock) -> None:
    pod = Pod(str(tmp_path), clock, file_rows=50, file_seconds=60)
    pod.feed(VALUES[:20], 0)
    pod.deliver()
    assert in_files(tmp_path) == {}
    clock.now += 61
    pod.deliver()
    assert len(in_files(tmp_path)) == 20
    pod.feed(VALUES[:49], 20)
    pod.deliver()
    assert len(in_files(tmp_path)) == 20
    pod.feed(VALUES[:1], 69)
    pod.deliver()
    assert len(in_files(tmp_path)) == 70
    assert pod.held == []


def test_bytes_held_are_bounded(tmp_path: Path, clock: HandClock) -> None:
    pod = Pod(str(tmp_path), clock, buffer_bytes=1)
    pod.feed(VALUES[:1], 0)
    pod.deliver()
    assert len(in_files(tmp_path)) == 1


def test_the_same_rows_give_the_same_bytes_however_batches_were_cut(tmp_path: Path, clock: HandClock) -> None:
    names = [("a", "b"), ("b", "a", "c")]
    values = [v for pair in zip(*[encode_vectors(made_up(30, names=n)) for n in names], strict=True) for v in pair]
    for folder, cuts in (("one", [0, 60]), ("other", [0, 1, 2, 33, 60])):
        pod = Pod(str(tmp_path / folder), clock)
        for start, stop in pairwise(cuts):
            pod.feed(values[start:stop], start)
        pod.finish()
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "other")
    assert snapshot(tmp_path / "one")


@pytest.mark.parametrize(("step", "when"), [("cut", 1), ("filed", 1), ("filed", 2), ("filed", 3)])
def test_killed_at_any_step_the_next_writes_each_row_into_one_file(
    tmp_path: Path, clock: HandClock, step: str, when: int
) -> None:
    several = encode_vectors(made_up(4_000, entities=1))  # three days, three files a cut
    left = when

    def reached(name: str) -> None:
        nonlocal left
        left -= name == step
        if not left:
            raise Dies

    first = Pod(str(tmp_path), clock, reached)
    first.feed(several[:3_000], 0)
    first.deliver()
    clock.now += 1_000
    first.deliver()  # at `when` it is gone, nothing of it was committed
    assert first.held
    second = Pod(str(tmp_path), clock, file_rows=1)
    second.feed(several[:500], 0)
    second.deliver()  # what was cut before holds more than has come yet
    assert len(second.held) == 1
    second.feed(several[500:], 500)
    second.deliver()
    assert second.held == []
    found = in_files(tmp_path)
    assert set(found) == {(0, n) for n in range(4_000)}
    assert set(found.values()) == {1}
    assert {f.last for f in Store(str(tmp_path)).files()} == {2_999, 3_999}


def test_two_owners_of_one_partition_cut_it_alike(tmp_path: Path, clock: HandClock) -> None:
    frozen, owner = Pod(str(tmp_path), clock), Pod(str(tmp_path), clock)
    frozen.feed(VALUES[:40], 0)
    owner.feed(VALUES, 0)
    owner.finish()
    before = snapshot(tmp_path)
    frozen.finish()  # it thaws, and does not know that the partition is another's
    assert frozen.held
    assert snapshot(tmp_path) == before


def test_a_log_that_waits_does_not_make_the_others_small(tmp_path: Path, clock: HandClock) -> None:
    dead = Pod(str(tmp_path), clock)
    dead.feed(VALUES, 0)
    dead.finish()
    pod = Pod(str(tmp_path), clock, file_rows=1)
    pod.feed(VALUES[:5], 0)
    pod.feed(VALUES[:5], 0, partition=1)
    pod.deliver()
    assert count_files(Store(str(tmp_path))) == 1
    pod.feed(VALUES[5:], 5)
    pod.deliver()
    assert count_files(Store(str(tmp_path))) == 2


def test_too_little_room_for_what_was_cut_before_stands_in_nobodys_way(tmp_path: Path, clock: HandClock) -> None:
    dead = Pod(str(tmp_path), clock)
    dead.feed(VALUES, 0)
    dead.finish()
    pod = Pod(str(tmp_path), clock, buffer_bytes=1)
    pod.feed(VALUES[:30], 0)
    pod.deliver()
    pod.feed(VALUES[30:], 30)
    pod.deliver()
    assert pod.held == []
    assert len(in_archive(Store(str(tmp_path)))) == 60


def test_a_folder_that_takes_nothing_holds_rows_until_it_does(tmp_path: Path, clock: HandClock) -> None:
    folder = tmp_path / "archive"
    pod = Pod(str(folder), clock, file_rows=1)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    pod.feed(VALUES, 0)
    pod.deliver()
    assert pod.held
    folder.unlink()
    pod.deliver()
    assert pod.held, "it is not asked again at once"
    clock.now += 60
    pod.deliver()
    assert pod.held == []
    assert len(in_archive(Store(str(folder)))) == 60


@pytest.mark.parametrize("wrong", ["nonsense://x", "FILE"])
def test_an_address_that_is_none_ends_the_worker_at_once(tmp_path: Path, clock: HandClock, wrong: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(Fatal, match=r"cannot be used.*Correct FAULTLINE_ARCHIVE__URL"):
        Pod(str(file) if wrong == "FILE" else wrong, clock)


def test_a_topic_made_anew_under_a_running_worker_is_noticed(tmp_path: Path, clock: HandClock) -> None:
    pod = Pod(str(tmp_path), clock, file_rows=1)
    pod.feed(VALUES, 0)
    pod.deliver()
    pod.feed(VALUES, 0, appended=START + DAY)
    with pytest.raises(Fatal, match="made anew"):
        pod.deliver()


def test_what_is_no_vector_is_a_dead_letter_and_its_neighbours_are_filed(tmp_path: Path, clock: HandClock) -> None:
    pod = Pod(str(tmp_path), clock)
    pod.feed([VALUES[0], b"{", None, b"\xc3\x01garbage", VALUES[1]], 10)
    pod.finish()
    assert pod.dead == 3
    assert set(in_archive(Store(str(tmp_path)))) == {(0, 10), (0, 14)}


def test_days_older_than_the_retention_go(tmp_path: Path, clock: HandClock) -> None:
    pod = Pod(str(tmp_path), clock, file_rows=1, retention_days=1)  # the vectors are of March 2026
    pod.feed(VALUES, 0)
    clock.time = lambda: 1_772_366_400.0 + 10 * 86_400  # type: ignore[method-assign]
    pod.deliver()
    assert pod.held == []
    assert Store(str(tmp_path)).files() == []


def test_no_pieces_are_left_and_names_say_what_is_inside(tmp_path: Path, clock: HandClock) -> None:
    pod = Pod(str(tmp_path), clock)
    pod.feed(VALUES, 1_000)
    pod.finish()
    (path,) = snapshot(tmp_path)
    file = File.parse(path)
    assert file is not None
    assert (file.folder.profile, file.folder.day, file.first, file.last) == ("generic", "2026-03-01", 1_000, 1_059)
    assert [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".part")] == []
