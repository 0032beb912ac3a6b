"""The archive worker on a real broker: killed at each step, shared by two, compacted; and training from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import DAY, START, in_archive, in_files, later, made_up, on_topic, records_of
from tests.support.broker import Broker, Record
from tests.support.installation import Installation, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from workers.archive.checking import PIECE, Finding, check
from workers.archive.compacting import CompactPolicy, compact
from workers.archive.files import Wanted
from workers.archive.reading import read
from workers.archive.store import Store

pytestmark = pytest.mark.integration

FEATURES = "telemetry.features.v1"


@pytest.fixture
def faultline(kafka: Broker, redis_server: RedisAt, tmp_path: Path) -> Iterator[Installation]:
    settings = {"FAULTLINE_ARCHIVE__URL": str(tmp_path / "archive"), "FAULTLINE_ARCHIVE__FILE_SECONDS": "0.5"}
    with Installation(kafka, redis_server, settings=settings) as installation:
        yield installation


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def publish(faultline: Installation, batch: int, rows: int = 300) -> None:
    """Vectors of three days and two profiles, a tick's worth of nothing, and something that is no vector."""
    vectors = [
        *records_of(later(made_up(rows, 7, seed=batch), batch * DAY)),
        *records_of(made_up(rows // 3, 5, "host", [f"m{n}" for n in range(20)], seed=batch)),
    ]
    vectors.insert(1, Record(b'{"time":"2026-03-01T12:00:00Z"}', None, (("faultline-tick", b"idle"),), partition=0))
    faultline.kafka.produce(faultline.topic(FEATURES), vectors)


def vectors_on(faultline: Installation) -> int:
    return len(on_topic(faultline.records(FEATURES)))


@pytest.mark.timeout(600)  # six processes one after another, each of which takes a minute to start on a crowded machine
def test_killed_at_each_step_every_vector_lies_in_exactly_one_file(faultline: Installation, archive: Path) -> None:
    store = Store(str(archive))
    for batch, where in enumerate(("cut:1", "filed:2", "delivered:1")):
        publish(faultline, batch)
        worker = faultline.start("archive", {"FAULTLINE_WORKER__FAIL_AT": f"{where}:SIGKILL"})
        eventually(lambda worker=worker: not worker.running, 200, f"it dies at {where}")  # type: ignore[misc]
    publish(faultline, 3)
    faultline.kafka.produce(faultline.topic(FEATURES), [Record(b"{", b"x", partition=0)])
    one, other = faultline.start("archive"), faultline.start("archive")
    eventually(lambda: has_logged(one, "loaded") and has_logged(other, "loaded"), 200, "they share the partitions")
    publish(faultline, 4)
    one.kill()
    publish(faultline, 5)
    expected = on_topic(faultline.records(FEATURES))
    eventually(lambda: len(in_archive(store)) == len(expected), 200, "everything is archived")
    other.stop()
    assert in_archive(store) == expected
    found = in_files(archive)
    assert set(found.values()) == {1}
    assert set(found) == set(expected)
    letters = faultline.records("telemetry.deadletter.v1")
    assert len(letters) == 1
    findings = [one for one in check(store) if isinstance(one, Finding)]
    assert {one.kind for one in findings} <= {PIECE}
    list(compact(store, CompactPolicy(before=START + 100 * DAY)))
    assert len(in_files(archive)) == len(expected)
    assert in_archive(store) == expected
    assert set(in_files(archive).values()) == {1}


@pytest.mark.timeout(600)
def test_an_end_in_good_order_writes_what_is_held(faultline: Installation, archive: Path) -> None:
    publish(faultline, 0)
    worker = faultline.start("archive", {"FAULTLINE_ARCHIVE__FILE_SECONDS": "3600"})
    eventually(lambda: has_logged(worker, "loaded"), 200, "it has its partitions")
    eventually(lambda: faultline.metrics(worker).get("faultline_archive_held_bytes", 0.0) > 0, 200, "it holds some")
    worker.stop()
    assert in_archive(Store(str(archive)))
    again = faultline.start("archive")
    eventually(lambda: len(in_archive(Store(str(archive)))) == vectors_on(faultline), 200, "the rest follows")
    again.stop()


@pytest.mark.timeout(600)
def test_the_same_data_gives_the_same_models_from_a_file_an_archive_and_a_topic(
    faultline: Installation, archive: Path, tmp_path: Path
) -> None:
    data = tmp_path / "two-hours.parquet"
    save = ("--save-data", str(data), "--no-send", "--quiet")
    made = faultline.run("source", "synthetic", "--days", "0.08", "--services", "2", "--volume", "0.3", *save)
    assert made.returncode == 0, made.stderr
    sent = faultline.run("source", "replay", str(data), "--speed", "0", "--quiet", timeout=120)
    assert sent.returncode == 0, sent.stderr
    both = {"FAULTLINE_ARCHIVE__KINDS": '["vectors", "events"]'}
    windows, worker = faultline.start("windows"), faultline.start("archive", both)
    store = Store(str(archive))
    events, features = faultline.topic("telemetry.events.v1"), faultline.topic(FEATURES)
    count = sum(record.key is not None for record in faultline.kafka.read(events))

    def archived(kind: str) -> int:
        return sum(len(piece.rows) for piece in read(store, Wanted((kind,))))

    eventually(lambda: archived("events") == count, 120, "all events are archived")
    eventually(lambda: at_end(faultline, windows), 120, "all windows are closed")
    eventually(lambda: archived("vectors") == vectors_on(faultline) > 0, 120, "all vectors are archived")
    windows.stop()
    worker.stop()
    faultline.settings["FAULTLINE_REGISTRY__URL"] = str(tmp_path / "registry")
    versions = {}
    options = ("--tag", "same", "--detectors", "deviation", "--no-promote", "--json", "--quiet")
    for source in ([str(data)], [str(archive)], ["--from-topic", features], ["--from-topic", events]):
        trained = faultline.run("train", *source, *options, timeout=240)
        assert trained.returncode == 0, trained.stderr
        versions[" ".join(source)] = {
            (m["profile"], m["scope"]): m["version"] for m in json.loads(trained.stdout)["models"]
        }
    first, *others = versions.values()
    assert len(first) == 3
    assert all(other == first for other in others), versions


def at_end(faultline: Installation, worker: Daemon) -> bool:
    """Whether a worker has taken all that lies on its topics."""
    metrics = faultline.metrics(worker)
    lags = [value for name, value in metrics.items() if name.startswith("faultline_lag_records")]
    return len(lags) == faultline.partitions and not any(lags)
