"""Vectors as they lie on the topic, and an archive's rows as tests compare them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from prometheus_client import CollectorRegistry

from schemas.columns import Vectors
from schemas.vectors import decode_vectors, encode_vectors, vectors_to_dicts
from tests.support.broker import Record
from workers.archive.delivery import ArchiveFiles, DeliveryPolicy
from workers.archive.files import VECTORS, Wanted, counting
from workers.archive.metrics import ArchiveMetrics
from workers.archive.reading import read
from workers.archive.rows import vectors_of
from workers.archive.stage import ArchiveStage
from workers.archive.store import Store
from workers.runtime.clock import Clock
from workers.runtime.records import Output, Records

TOPIC = "telemetry.features.v1"
START = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
MINUTE, DAY = 60_000_000, 86_400_000_000

Seen = dict[tuple[int, int], dict[str, Any]]
"""Vectors by partition and offset."""


def made_up(
    rows: int, entities: int = 3, profile: str = "generic", names: Sequence[str] = ("a", "b", "c"), seed: int = 0
) -> Vectors:
    """Vectors a minute apart from `START` on, over several days if so many; some values missing, some minus zero."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, len(names)))
    values[::7, 0], values[::5, -1] = np.nan, -0.0
    end = START + (np.arange(rows) // entities) * MINUTE
    return Vectors(
        at=np.arange(rows, dtype=np.int32),
        profile=profile,
        profile_version=1,
        feature_set="made up",
        names=tuple(names),
        entity=[f"service-{row % entities}" for row in range(rows)],
        window_start=end - MINUTE,
        window_end=end,
        sequence=np.zeros(rows, np.int64),
        values=values,
        event_count=np.full(rows, 9),
        late_count=np.zeros(rows, np.int64),
        skewed_count=np.zeros(rows, np.int64),
        silent=np.zeros(rows, np.bool_),
        retired=np.zeros(rows, np.bool_),
        regular=np.ones(rows, np.bool_),
    )


def later(vectors: Vectors, by: int) -> Vectors:
    """The same vectors so many microseconds later."""
    return replace(vectors, window_start=vectors.window_start + by, window_end=vectors.window_end + by)


def records_of(vectors: Vectors) -> list[Record]:
    """As the windows worker writes them: keyed by entity."""
    values = encode_vectors(vectors)
    return [Record(value, entity.encode()) for value, entity in zip(values, vectors.entity, strict=True)]


def on_topic(records: Sequence[Record]) -> Seen:
    """What a topic holds, by place."""
    blocks, _ = decode_vectors([record.value for record in records])
    return {
        (records[at].partition, records[at].offset): comparable(row)
        for block in blocks
        for at, row in zip(block.at.tolist(), vectors_to_dicts(block), strict=True)
    }


def in_archive(store: Store, wanted: Wanted = Wanted((VECTORS,))) -> Seen:  # noqa: B008 (frozen)
    """What the archive's own reader gives; raises AssertionError where a place comes twice."""
    seen: Seen = {}
    for piece in read(store, wanted):
        table = piece.rows.table
        for block in vectors_of(table, piece.file.folder.profile, piece.rows.layouts):
            for at, row in zip(block.at.tolist(), vectors_to_dicts(block), strict=True):
                place = (table.column("partition")[at].as_py(), table.column("offset")[at].as_py())
                assert place not in seen, f"{place} is there twice"
                seen[place] = comparable(row)
    return seen


def in_files(folder: Path) -> Counter[tuple[int, int]]:
    """How often each place lies in visible files, for a reader that knows nothing of us."""
    found: Counter[tuple[int, int]] = Counter()
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path, columns=["partition", "offset"], partitioning=None)
        found.update(zip(table.column("partition").to_pylist(), table.column("offset").to_pylist(), strict=True))
    return found


def comparable(row: Mapping[str, Any]) -> dict[str, Any]:
    """The vector with its values as bits: NaN equals NaN, and minus zero is not zero."""
    return {**row, "values": np.array(row["values"], np.float64).view(np.int64).tolist()}


class Pod:
    """One archive worker without Kafka: what it is fed is gathered, and delivered when told to."""

    def __init__(
        self, url: str, clock: Clock, reached: Callable[[str], None] = lambda step: None, **policy: Any
    ) -> None:
        self.stage = ArchiveStage({TOPIC: VECTORS})
        self.state = self.stage.start(0, 0, [])
        self.files = ArchiveFiles(
            DeliveryPolicy(url, **policy), {TOPIC: "id"}, clock, ArchiveMetrics(CollectorRegistry()), reached
        )
        self.held: list[Output] = []
        self.dead = 0

    def feed(self, values: Sequence[bytes | None], first: int, partition: int = 0, appended: int = START) -> None:
        """Records at offsets `first` …, appended a microsecond apart."""
        n = len(values)
        offsets = np.arange(first, first + n)
        records = Records(TOPIC, partition, offsets, appended + offsets, [b"k"] * n, list(values), [None] * n)
        for chunk in self.stage.step(self.state, records):
            self.held += chunk.outputs
            self.dead += len(chunk.dead)

    def deliver(self) -> None:
        """As the loop does every so often."""
        self.held = list(self.files.deliver(self.held))

    def finish(self) -> None:
        """As an orderly end does."""
        self.files.finish()
        self.deliver()
        self.files.close()


def count_files(store: Store) -> int:
    """Files that count."""
    return len(list(counting(store.files())))
