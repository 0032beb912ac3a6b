"""What `train` learns from: DATA told apart, spans of time, and tables that do not tell where their rows came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.shelf import Shelf
from models.table import VectorTable, tables_of
from schemas.columns import Vectors
from schemas.vectors import encode_vectors
from tests.support.archives import DAY, MINUTE, START, Pod, made_up
from workers.cli.failures import WrongUse
from workers.cli.learning_vectors import Lesson, Span
from workers.cli.train import span_of
from workers.cli.voice import Voice
from workers.runtime.clock import SystemClock
from workers.settings import load_settings

VOICE = Voice.of(quiet=True, as_json=False)


def learned_from(lesson: Lesson) -> list[VectorTable]:
    return tables_of(lesson.blocks(None, load_settings({}), VOICE))


def same(one: VectorTable, other: VectorTable) -> bool:
    return (
        (one.names, one.entities) == (other.names, other.entities)
        and np.array_equal(one.entity, other.entity)
        and np.array_equal(one.window_end, other.window_end)
        and np.array_equal(one.values.view(np.int64), other.values.view(np.int64))
    )


@pytest.fixture
def vectors() -> Vectors:
    return made_up(3 * 1_440, entities=2)


@pytest.fixture
def archive(tmp_path: Path, vectors: Vectors) -> str:
    """The same vectors, every entity on a partition of its own."""
    pod = Pod(str(tmp_path / "archive"), SystemClock())
    values = encode_vectors(vectors)
    pod.feed(values[1::2], 0, partition=0)
    pod.feed(values[0::2], 0, partition=1)
    pod.finish()
    return str(tmp_path / "archive")


def test_an_archive_gives_the_table_that_its_vectors_give(archive: str, vectors: Vectors) -> None:
    (direct,) = tables_of([vectors])
    (found,) = learned_from(Lesson.of([archive]))
    assert same(found, direct)
    (by_path,) = learned_from(Lesson.of([Path(archive)]))
    (by_url,) = learned_from(Lesson.of([f"file://{archive}"]))
    assert same(by_path, direct)
    assert same(by_url, direct)


def test_a_span_of_time_is_what_is_learned_from(archive: str) -> None:
    span = Span(START + DAY // 2, START + DAY)
    (found,) = learned_from(Lesson.of([archive], span=span))
    assert found.window_end.min() == START + DAY // 2
    assert found.window_end.max() == START + DAY - MINUTE
    with pytest.raises(WrongUse, match="no vectors of that time"):
        learned_from(Lesson.of([archive], span=Span(START + 9 * DAY)))


def test_what_makes_no_sense_is_said(tmp_path: Path) -> None:
    for data, topic in (([], ""), (["x.parquet"], "t")):
        with pytest.raises(WrongUse, match="one of both"):
            Lesson.of(data, topic)
    with pytest.raises(WrongUse, match="no archive is there"):
        Lesson.of([f"file://{tmp_path}"])
    with pytest.raises(WrongUse, match="behind --until"):
        span_of("2026-03-02T00:00Z", "2026-03-01T00:00Z")


def test_a_table_on_disk_is_the_table_in_memory(vectors: Vectors) -> None:
    others = made_up(500, names=("c", "z", "a"), seed=3)
    in_memory, on_disk = tables_of([vectors, others]), tables_of([vectors, others], Shelf(in_memory=10_000))
    assert isinstance(on_disk[0].values, np.memmap)
    assert all(same(one, other) for one, other in zip(in_memory, on_disk, strict=True))
    assert same(on_disk[0].of_entity("service-1"), in_memory[0].of_entity("service-1"))


def test_the_order_of_partitions_does_not_show(vectors: Vectors) -> None:
    apart = made_up(500, entities=1, names=("c", "z", "a"), seed=3)
    apart = Vectors(**{**{n: getattr(apart, n) for n in Vectors.__slots__}, "entity": ["another"] * 500})
    assert same(tables_of([vectors, apart])[0], tables_of([apart, vectors])[0])
