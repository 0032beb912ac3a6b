"""Compaction, erasure, expiry: killed midway, beside readers and writers, no row is twice or missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from schemas.vectors import encode_vectors, vectors_to_dicts
from tests.support.archives import DAY, START, Pod, Seen, comparable, count_files, in_archive, in_files, later, made_up
from workers.archive.checking import ERASED, Finding, check
from workers.archive.compacting import CompactPolicy, compact, plan
from workers.archive.erasing import erase, holding
from workers.archive.erasures import Erasure
from workers.archive.expiring import expire
from workers.archive.files import VECTORS, Wanted, replaced
from workers.archive.reading import read
from workers.archive.store import ArchiveError, Store
from workers.runtime.clock import SystemClock

ALL = CompactPolicy(before=START + 100 * DAY)
DATA = made_up(400, entities=4)
VALUES = encode_vectors(DATA)
EXPECTED: Seen = {(0, n): comparable(row) for n, row in enumerate(vectors_to_dicts(DATA))}


class Dies(Exception):
    """As a kill would: nothing after it happens."""


class Mortal(Store):
    """A store whose user dies before its so-manieth change."""

    def __init__(self, url: str, left: int) -> None:
        super().__init__(url)
        self.left = left

    def _lives(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Dies

    def put_file(self, path: str, local: str) -> None:
        self._lives()
        super().put_file(path, local)

    def put(self, path: str, blob: bytes) -> None:
        self._lives()
        super().put(path, blob)

    def delete(self, path: str) -> None:
        self._lives()
        super().delete(path)


def fill(url: str, step: int = 40) -> Store:
    """An archive of many small files of one day."""
    pod = Pod(url, SystemClock(), file_rows=1)
    for start in range(0, len(VALUES), step):
        pod.feed(VALUES[start : start + step], start)
        pod.deliver()
    return Store(url)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return fill(str(tmp_path))


def findings(store: Store) -> list[Finding]:
    return [one for one in check(store) if isinstance(one, Finding)]


def test_small_files_become_one_with_the_same_rows(store: Store, tmp_path: Path) -> None:
    (done,) = list(compact(store, ALL))[-1:]
    assert (done.merged, done.made) == (10, 1)
    assert in_archive(store) == EXPECTED
    assert set(in_files(tmp_path).values()) == {1}
    assert plan(store, ALL) == []
    assert findings(store) == []


def test_a_file_has_no_more_rows_than_asked_for(store: Store) -> None:
    list(compact(store, CompactPolicy(ALL.before, most_rows=130)))
    assert count_files(store) == 4  # three times 120 and one of 40
    assert in_archive(store) == EXPECTED


def test_a_day_that_is_not_over_is_left_alone(store: Store) -> None:
    list(compact(store, CompactPolicy(before=START)))
    assert count_files(store) == 10


@pytest.mark.parametrize("changes", range(0, 12, 2))
def test_killed_anywhere_in_a_compaction_each_row_counts_once(tmp_path: Path, changes: int) -> None:
    store = fill(str(tmp_path))
    with pytest.raises(Dies):
        list(compact(Mortal(str(tmp_path), changes), ALL))
    assert in_archive(store) == EXPECTED
    list(compact(store, ALL))
    assert in_archive(store) == EXPECTED
    assert set(in_files(tmp_path).values()) == {1}
    assert count_files(store) == 1


def test_a_reader_under_way_sees_each_row_once_though_files_are_compacted(store: Store) -> None:
    offsets = []
    for number, piece in enumerate(read(store, Wanted((VECTORS,)))):
        offsets += piece.rows.table.column("offset").to_pylist()
        if number == 2:
            list(compact(Store(store.shown), ALL))
    assert offsets == list(range(400))


def test_what_a_killed_worker_writes_again_after_a_compaction_does_not_count_twice(tmp_path: Path) -> None:
    store = fill(str(tmp_path))
    list(compact(store, ALL))
    again = fill(str(tmp_path))  # as if nothing had ever been committed
    assert in_archive(again) == EXPECTED
    assert len(replaced(store.files())) == 10
    list(compact(store, ALL))
    assert len(store.files()) == 1


def test_an_entity_is_erased_from_every_file_and_a_replay_does_not_bring_it_back(store: Store, tmp_path: Path) -> None:
    kept = {place: row for place, row in EXPECTED.items() if row["entity"] != "service-1"}
    erasure = Erasure("service-1", START + DAY)
    assert sum(one.rows for one in holding(store, erasure) if one) == 100
    assert sum(one.rows for one in erase(store, erasure) if one) == 100
    assert in_archive(store) == kept
    assert in_archive(fill(str(tmp_path))) == kept
    list(compact(store, ALL))
    assert in_archive(store) == kept
    assert findings(store) == []


def test_names_below_an_erased_one_stay_and_are_told_unless_they_are_erased_too(tmp_path: Path) -> None:
    names = ["web-1", "web-1/eth0", "web-1/eth1", "web-10", "web-1x/eth0"]
    data = made_up(50, entities=5)
    pod = Pod(str(tmp_path), SystemClock())
    pod.feed(encode_vectors(replace(data, entity=[names[row % 5] for row in range(50)])), 0)
    pod.feed(encode_vectors(later(replace(data, entity=["web-1/late"] * 50), 2 * DAY)), 50)
    pod.finish()
    store, below = Store(str(tmp_path)), set[str]()
    whole = Erasure("web-1", START + DAY)
    list(holding(store, whole, parts=below))
    assert below == {"web-1/eth0", "web-1/eth1"}
    list(erase(store, whole))
    assert {row["entity"] for row in in_archive(store).values()} == {*names[1:], "web-1/late"}
    list(erase(store, *(Erasure(name, START + DAY) for name in below)))
    assert {row["entity"] for row in in_archive(store).values()} == {"web-10", "web-1x/eth0", "web-1/late"}
    assert findings(store) == []


def test_what_an_entity_sends_after_its_erasure_is_kept(store: Store, tmp_path: Path) -> None:
    list(erase(store, Erasure("service-1", START + DAY)))
    pod = Pod(str(tmp_path), SystemClock())
    pod.feed(encode_vectors(later(DATA, 2 * DAY)), 1_000)
    pod.finish()
    assert sum(row["entity"] == "service-1" for row in in_archive(store).values()) == 100


def test_a_file_of_nothing_but_the_erased_goes(tmp_path: Path) -> None:
    pod = Pod(str(tmp_path), SystemClock())
    pod.feed(encode_vectors(made_up(9, entities=1)), 0)
    pod.finish()
    list(erase(Store(str(tmp_path)), Erasure("service-0", START + DAY)))
    assert Store(str(tmp_path)).files() == []


@pytest.mark.parametrize("changes", [0, 1, 2, 5])
def test_killed_in_an_erasure_it_is_finished_by_the_next(tmp_path: Path, changes: int) -> None:
    store = fill(str(tmp_path))
    with pytest.raises(Dies):
        list(erase(Mortal(str(tmp_path), changes), Erasure("service-1", START + DAY)))
    list(erase(store, Erasure("service-1", START + DAY)))
    assert {row["entity"] for row in in_archive(store).values()} == {"service-0", "service-2", "service-3"}
    assert len(in_archive(store)) == 300


def test_erased_while_a_file_is_being_written_it_is_written_without(store: Store) -> None:
    class Meanwhile(Store):
        told = False

        def put_file(self, path: str, local: str) -> None:
            super().put_file(path, local)
            if not self.told:
                self.told = True
                list(erase(store, Erasure("service-1", START + DAY)))

    list(compact(Meanwhile(store.shown), ALL))
    assert len(in_archive(store)) == 300
    assert findings(store) == []


def test_check_tells_of_erased_rows_that_are_still_there(tmp_path: Path) -> None:
    fill(str(tmp_path))
    with pytest.raises(Dies):
        list(erase(Mortal(str(tmp_path), 1), Erasure("service-1", START + DAY)))
    assert {one.kind for one in findings(Store(str(tmp_path)))} == {ERASED}


def test_days_that_are_older_go_whole(tmp_path: Path) -> None:
    pod = Pod(str(tmp_path), SystemClock())
    pod.feed(encode_vectors(made_up(3 * 1_440, entities=1)), 0)  # three days from noon on
    pod.finish()
    store = Store(str(tmp_path))
    gone = expire(store, START + DAY)
    assert sorted({file.folder.day for file in gone}) == ["2026-03-01"]
    assert sorted({file.folder.day for file in store.files()}) == ["2026-03-02", "2026-03-03", "2026-03-04"]


@pytest.fixture
def damaged(store: Store, tmp_path: Path) -> Path:
    path = sorted(tmp_path.rglob("*.parquet"))[0]
    content = bytearray(path.read_bytes())
    columns = pq.ParquetFile(path).metadata.row_group(0)
    values = next(c for c in map(columns.column, range(columns.num_columns)) if c.path_in_schema.startswith("values"))
    content[values.data_page_offset + values.total_compressed_size - 20] ^= 0xFF
    path.write_bytes(content)
    return path


def test_a_damaged_page_is_found_and_never_learned_from(store: Store, damaged: Path) -> None:
    assert [one.path for one in findings(store) if one.kind == "damaged"] == [str(damaged.relative_to(store.shown))]
    with pytest.raises(ArchiveError, match="cannot be read"):
        in_archive(store)


def test_files_of_others_are_no_part_of_an_archive(store: Store, tmp_path: Path) -> None:
    (tmp_path / "vectors" / "notes.parquet").write_text("not ours")
    (tmp_path / "README").write_text("not ours")
    assert in_archive(store) == EXPECTED
