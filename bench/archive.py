"""The archive worker: how fast vectors on a real broker become files, with how much memory; and are read again.

usage: python -m bench.archive [--vectors 100000]

Host vectors of 1,000 entities on 12 partitions; the worker starts when all of them lie there. One process, default
settings, a local folder. Prints rows per second from its partitions being loaded to everything being committed to
files, its highest resident memory, bytes a row, and how fast compaction and the reader of `train` are.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import numpy as np

from bench import machine
from models.features.known import FEATURE_SETS
from schemas.columns import Vectors
from schemas.vectors import encode_vectors
from tests.support.broker import Broker, Record
from tests.support.installation import Installation, eventually, has_logged
from tests.support.process import Daemon
from tests.support.services import some_kafka, some_redis
from workers.archive.compacting import CompactPolicy, compact
from workers.archive.files import VECTORS, Wanted, counting
from workers.archive.reading import vectors
from workers.archive.store import Store

ENTITIES = 1_000
_BLOCK = 10_000
START = 1_772_366_400_000_000
MINUTE = 60_000_000


def made_up(first: int, rows: int, seed: int) -> Vectors:
    """Vectors with the host profile's features, every entity once a minute."""
    feature_set, known = max(FEATURE_SETS.items(), key=lambda item: len(item[1].names))
    rng = np.random.default_rng(seed)
    row = np.arange(first, first + rows)
    end = START + row // ENTITIES * MINUTE
    nothing, no = np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    return Vectors(
        at=np.arange(rows, dtype=np.int32),
        profile="host",
        profile_version=1,
        feature_set=feature_set,
        names=(),
        entity=[f"host-{n % ENTITIES:04d}" for n in row.tolist()],
        window_start=end - MINUTE,
        window_end=end,
        sequence=nothing,
        values=np.round(rng.gamma(2.0, 30.0, (rows, len(known.names))), 3),
        event_count=np.ones(rows, np.int64),
        late_count=nothing,
        skewed_count=nothing,
        silent=no,
        retired=no,
        regular=~no,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    count = parser.parse_args().vectors
    print(machine.describe())
    with (
        some_kafka() as servers,
        some_redis() as redis,
        tempfile.TemporaryDirectory() as folder,
        Installation(Broker(servers), redis, 12, {"FAULTLINE_ARCHIVE__URL": folder}) as faultline,
    ):
        for first in range(0, count, _BLOCK):
            block = made_up(first, min(_BLOCK, count - first), first)
            values = encode_vectors(block)
            records = [Record(value, entity.encode()) for value, entity in zip(values, block.entity, strict=True)]
            faultline.kafka.produce(faultline.topic("telemetry.features.v1"), records)
        worker = faultline.start("archive")
        eventually(lambda: has_logged(worker, "loaded"), 120, "the worker has its partitions")
        begun = time.monotonic()
        eventually(lambda: _taken(faultline, worker) >= count, 600, "all records are taken")
        taken = time.monotonic() - begun
        memory = _peak(worker)
        worker.stop()
        whole = time.monotonic() - begun
        store = Store(folder)
        files = list(counting(store.files()))
        size = sum(part.file.bytes for part in files)
        width = made_up(0, 1, 0).values.shape[1]
        print(f"{count:,} vectors of {width} features in {whole:.1f} s: {count / whole:,.0f}/s")
        print(f"taken after {taken:.1f} s; {memory:,.0f} MiB resident; {len(files)} files, {size / count:,.0f} B a row")
        _upkeep(store, count)


def _upkeep(store: Store, count: int) -> None:
    begun = time.monotonic()
    (done,) = list(compact(store, CompactPolicy(START * 2)))[-1:]
    print(f"compaction: {done.merged} files into {done.made}, {count / (time.monotonic() - begun):,.0f} rows/s")
    begun = time.monotonic()
    rows = sum(len(block) for block in vectors(store, Wanted((VECTORS,))))
    print(f"read as train reads: {rows:,} rows, {rows / (time.monotonic() - begun):,.0f}/s")


def _taken(faultline: Installation, worker: Daemon) -> float:
    outcomes = [item for item in faultline.metrics(worker).items() if item[0].startswith("faultline_records_total{")]
    return sum(value for name, value in outcomes if "processed" in name)


def _peak(worker: Daemon) -> float:
    """Highest resident memory so far, MiB."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


if __name__ == "__main__":
    main()
