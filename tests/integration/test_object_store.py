"""Archive and model registry on a real server of the S3 protocol: what folders have and object stores have not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
import s3fs

from models.manifest import MANIFEST, BundleError
from models.registry import ALIASES, Aliases, Damaged, Registry, RegistryError
from models.scope import GLOBAL, entity_scope
from schemas.vectors import encode_vectors
from tests.models.learned import bundle
from tests.support.archives import DAY, START, Pod, in_archive, later, made_up, on_topic, records_of
from tests.support.broker import Broker
from tests.support.cli import Finished, faultline_here
from tests.support.installation import Installation, events_of, eventually
from tests.support.redis_server import RedisAt
from tests.support.s3_server import S3Server
from workers.archive import parquet
from workers.archive.compacting import CompactPolicy, compact
from workers.archive.cuts import Cut, Cuts
from workers.archive.erasing import erase
from workers.archive.erasures import Erasure
from workers.archive.files import Log
from workers.archive.reading import of_vectors, read
from workers.archive.store import Store
from workers.runtime.clock import SystemClock
from workers.runtime.errors import Fatal

pytestmark = pytest.mark.integration

FEATURES = "telemetry.features.v1"
SCOPE = entity_scope("shop/checkout")


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as started:
        yield started


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    return partial(faultline_here, monkeypatch, capsys)


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket as a URL; this process uses the server as any other would, by its environment."""
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()  # clients are kept by their options, which do not tell the environment
    yield f"s3://{server.new_bucket()}"
    s3fs.S3FileSystem.clear_instance_cache()


def another_process(url: str) -> Registry:
    """A registry whose client shares nothing with that of any other."""
    return Registry(url, skip_instance_cache=True)


def saved(url: str, scope: str = SCOPE, seed: int = 1) -> tuple[Registry, str]:
    registry, trained = another_process(url), bundle(scope, seed)
    return registry, registry.save(trained.manifest, trained.files)


# -- registry ----------------------------------------------------------------------------------------------------------


def test_what_one_process_stores_promotes_and_removes_another_sees_at_once(bucket: str) -> None:
    url = f"{bucket}/models"
    watching = another_process(url)
    assert watching.is_empty()
    assert watching.aliases("generic", SCOPE) == Aliases()
    writing, first = saved(url)
    assert [one.version for one in watching.entries()] == [first]
    for aliases in (Aliases(first), Aliases(saved(url, seed=2)[1], first)):
        writing.promote("generic", SCOPE, aliases)
        assert list(watching.in_force()) == [("generic", SCOPE, aliases)]
        assert watching.aliases("generic", SCOPE) == aliases
    opened = watching.open("generic", SCOPE, first)
    opened.verify()
    assert opened.manifest == bundle(SCOPE, 1).manifest
    assert opened.period("all").to_arrays()
    entries = {one.version: one for one in watching.entries()}
    assert (watching.stored_at(entries[first]) or 0) > 1.7e9
    writing.promote("generic", SCOPE, Aliases(aliases.champion))
    writing.remove(entries[first])
    assert [one.version for one in watching.entries()] == [aliases.champion]
    assert saved(url)[1] == first
    assert {one.version for one in watching.entries()} == set(entries), "stored again, it is there again"


def test_half_a_bundle_is_none_and_a_damaged_one_is_refused(server: S3Server, bucket: str) -> None:
    registry, version = saved(bucket)
    _, whole = saved(bucket, GLOBAL, 2)
    client, folder = server.client(), f"{bucket}/generic/entity=shop%2Fcheckout/{version}"
    period = f"{folder}/periods/all.npz"
    blob = client.cat_file(period)
    client.pipe_file(period, blob[:-1])
    with pytest.raises(BundleError, match="damaged"):
        registry.promote("generic", SCOPE, Aliases(version))
    client.pipe_file(period, blob[:-1] + b"?")
    with pytest.raises(BundleError, match="damaged"):
        registry.open("generic", SCOPE, version).verify()
    assert registry.aliases("generic", SCOPE) == Aliases()
    manifest = client.cat_file(f"{folder}/{MANIFEST}")
    for damage in (b"", manifest[:100]):
        client.pipe_file(f"{folder}/{MANIFEST}", damage)
        found = {one.version: one for one in registry.survey()}
        assert set(found) == {version, whole}
        assert isinstance(damaged := found[version], Damaged)
        assert damaged.reason.startswith(f"{folder}/{MANIFEST}: ")
    client.rm_file(f"{folder}/{MANIFEST}")
    with pytest.raises(RegistryError, match="is not there"):
        registry.open("generic", SCOPE, version)
    assert [one.version for one in registry.entries()] == [whole]
    saved(bucket)
    registry.open("generic", SCOPE, version).verify()
    client.pipe_file(f"{bucket}/generic/global/{ALIASES}", b"")
    with pytest.raises(RegistryError, match=r"^s3://.*aliases.json holds no aliases"):
        list(registry.in_force())


# -- archive -----------------------------------------------------------------------------------------------------------


def in_objects(server: S3Server, url: str) -> Counter[tuple[int, int]]:
    """How often each place lies in files that anybody sees."""
    found: Counter[tuple[int, int]] = Counter()
    client = server.client()
    for path in client.glob(f"{url}/vectors/**/*.parquet"):
        with client.open(path) as opened:
            table = pq.ParquetFile(opened).read(columns=["partition", "offset"])
        found.update(zip(table.column("partition").to_pylist(), table.column("offset").to_pylist(), strict=True))
    return found


def publish(installation: Installation, batch: int) -> None:
    """Vectors of several days and two profiles."""
    vectors = [
        *records_of(later(made_up(300, 7, seed=batch), batch * DAY)),
        *records_of(made_up(100, 5, "host", [f"m{n}" for n in range(20)], seed=batch)),
    ]
    installation.kafka.produce(installation.topic(FEATURES), vectors)


@pytest.mark.timeout(600)
def test_killed_while_it_writes_every_vector_of_the_topic_lies_in_exactly_one_object(
    kafka: Broker, redis_server: RedisAt, server: S3Server, bucket: str, call: Callable[..., Finished]
) -> None:
    url = f"{bucket}/archive"
    settings = {**server.env, "FAULTLINE_ARCHIVE__URL": url, "FAULTLINE_ARCHIVE__FILE_SECONDS": "0.5"}
    with Installation(kafka, redis_server, settings=settings) as installation:
        publish(installation, 0)
        mortal = installation.start("archive", {"FAULTLINE_WORKER__FAIL_AT": "filed:2:SIGKILL"})
        eventually(lambda: not mortal.running, 200, "it dies between two files of a cut")
        publish(installation, 1)
        worker = installation.start("archive")
        expected = on_topic(installation.records(FEATURES))
        store = Store(url)
        eventually(lambda: len(in_archive(store)) == len(expected), 200, "everything is archived")
        worker.stop()
        assert in_archive(store) == expected
        places = in_objects(server, url)
        assert (set(places), set(places.values())) == (set(expected), {1})

        merged = call("archive", "compact", "--json", env=settings).json
        assert merged["merged"] > merged["made"] > 0
        erased = call("archive", "erase", "--entity", "service-1", "--yes", "--json", env=settings).json
        kept = {place: row for place, row in expected.items() if row["entity"] != "service-1"}
        assert erased["rows"] == len(expected) - len(kept) > 0
        assert in_archive(Store(url)) == kept
        assert in_objects(server, url) == Counter(kept.keys())
        checked = call("archive", "check", "--json", env=settings)
        assert (checked.code, checked.json["findings"]) == (0, [])


@pytest.mark.timeout(600)
def test_a_model_learned_from_the_archive_comes_into_force_in_a_running_worker(
    kafka: Broker, redis_server: RedisAt, server: S3Server, bucket: str, call: Callable[..., Finished]
) -> None:
    archive = f"{bucket}/archive"
    vectors = made_up(900, 3)
    pod = Pod(archive, SystemClock())
    pod.feed(encode_vectors(vectors), 0)
    pod.finish()
    settings = {**server.env, "FAULTLINE_REGISTRY__URL": f"{bucket}/models"}
    with Installation(kafka, redis_server, partitions=1, settings=settings) as installation:
        worker = installation.start("scoring")
        kafka.produce(installation.topic(FEATURES), records_of(vectors)[:30])
        eventually(lambda: len(installation.values("anomaly.scores.v1")) == 30, 200, "the untrained rule scores")
        options = ("--scope", "global", "--detectors", "deviation", "--json", "--quiet")
        (model,) = call("train", archive, *options, env=installation.settings).json["models"]
        kafka.produce(installation.topic(FEATURES), records_of(vectors)[30:60])

        def in_force() -> bool:
            told = [one for one in events_of(worker) if one["event"] == "models in force"]
            return [one["champion"] for one in told] == [model["version"]]

        eventually(in_force, 200, "the worker has taken the model up")
        eventually(lambda: len(installation.values("anomaly.scores.v1")) == 60, 200, "it scores")
        listed = call("models", "list", "--json", env=installation.settings).json
        assert [(one["version"], one["alias"]) for one in listed] == [(model["version"], "champion")]


def filled(url: str, rows: int = 400, files: int = 2, names: int = 3) -> Store:
    pod = Pod(url, SystemClock(), file_rows=1)
    values = encode_vectors(made_up(rows, 4, names=[f"metric_{number}" for number in range(names)]))
    for start in range(0, rows, rows // files):
        pod.feed(values[start : start + rows // files], start)
        pod.deliver()
    pod.finish()
    return Store(url)


def test_a_reader_goes_on_where_an_object_is_replaced_under_it(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 200)
    monkeypatch.setattr(s3fs.S3FileSystem, "default_block_size", 1)  # as a file that is larger than what one read takes
    store = filled(f"{bucket}/archive", rows=2_000, files=1, names=30)
    pieces = read(store, of_vectors(None, None))
    first = next(pieces)
    assert len(first.rows) == 200
    done = [found for found in erase(Store(store.shown), Erasure("service-1", START + DAY)) if found is not None]
    assert sum(found.rows for found in done) == 500
    offsets = [offset for piece in pieces for offset in piece.rows.table.column("offset").to_pylist()]
    assert offsets == [offset for offset in range(200, 2_000) if offset % 4 != 1]


def test_of_two_workers_one_makes_a_cut_and_the_other_finds_it(bucket: str) -> None:
    log = Log("telemetry.features.v1.0a1b2c3d", 0)
    for first in range(10):
        ready = threading.Barrier(2)
        made: list[Cut] = []

        def cut(last: int, first: int = first, ready: threading.Barrier = ready, made: list[Cut] = made) -> None:
            cuts = Cuts(Store(f"{bucket}/archive"))
            ready.wait()
            made.append(cuts.make(log, Cut(first, last, START, ())))

        both = [threading.Thread(target=cut, args=(last,)) for last in (100, 200)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert len(made) == 2
        assert made[0] == made[1]


def test_a_folder_that_a_console_made_is_no_file(server: S3Server, bucket: str) -> None:
    store = filled(f"{bucket}/archive")
    client = server.client()
    for folder in ("_faultline/cuts/", "_faultline/erased/", "vectors/", "vectors/profile=generic/"):
        client.call_s3("put_object", Bucket=bucket.removeprefix("s3://"), Key=f"archive/{folder}", Body=b"")
    assert len(in_archive(store)) == 400
    assert list(erase(store, Erasure("service-1", START + DAY)))
    *_, done = compact(store, CompactPolicy(before=START + 100 * DAY))
    assert (done.merged, done.made, len(in_archive(store))) == (2, 1, 300)


# -- what is set wrongly -----------------------------------------------------------------------------------------------

SECRET = "a-secret-of-somebody"


def test_a_missing_bucket_and_wrong_credentials_are_told_with_the_setting_and_the_way_out(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Finished]
) -> None:
    missing = f"{bucket}-missing"
    there_not = {"FAULTLINE_ARCHIVE__URL": missing, "FAULTLINE_REGISTRY__URL": missing}
    refused = {
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "FAULTLINE_ARCHIVE__URL": bucket,
        "FAULTLINE_REGISTRY__URL": bucket,
    }
    cases: list[tuple[dict[str, str], str]] = [(there_not, "no such bucket. Create it"), (refused, "AWS_ACCESS_KEY_ID")]
    for env, expected in cases:
        url = env["FAULTLINE_ARCHIVE__URL"]
        for command, setting in (
            (("archive", "list"), "FAULTLINE_ARCHIVE__URL"),
            (("models", "list"), "FAULTLINE_REGISTRY__URL"),
            (("train", url), url),
        ):
            s3fs.S3FileSystem.clear_instance_cache()
            done = call(*command, env=env)
            assert done.code != 0, command
            assert expected in done.err, done.err
            assert setting in done.err
            assert "Traceback" not in done.err
            assert SECRET not in done.err + done.out
        with pytest.raises(Fatal, match=expected) as stopped:
            Pod(url, SystemClock())
        assert "FAULTLINE_ARCHIVE__URL" in str(stopped.value)
        with pytest.raises(RegistryError, match=expected):
            list(Registry(url).in_force())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(Fatal, match="AWS_ACCESS_KEY_ID"):
        Pod(bucket, SystemClock())


@pytest.mark.timeout(100)
def test_a_server_that_hangs_is_given_up(
    server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch, call: Callable[..., Finished]
) -> None:
    """Five tries of a second; the client's own ways, one within the other, would come to minutes."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 1}})
    server.freeze()
    try:
        done = call("models", "list", env={"FAULTLINE_REGISTRY__URL": bucket})
    finally:
        server.thaw()
    assert done.code != 0
    assert "FAULTLINE_REGISTRY__URL" in done.err
    assert "timeout" in done.err.lower()
