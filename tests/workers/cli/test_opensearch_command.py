"""`faultline source opensearch` and `faultline opensearch` as processes, on a real OpenSearch and a real Kafka."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.events import decode_events
from tests.support.broker import Broker, Record
from tests.support.cli import faultline
from tests.support.http_proxy import Answer, HttpProxy
from tests.support.opensearch_server import OpenSearchAt
from workers.cli.failures import WrongUse
from workers.cli.opensearch import download, list_indices
from workers.cli.opensearch_learning import judge_command, train_command
from workers.cli.source_opensearch import opensearch as source
from workers.progress import TICK_HEADER
from workers.settings import load_settings
from workers.topics import state_topic

pytestmark = pytest.mark.integration

T = 1_700_000_000_000


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands called here see no settings but those of the test."""
    for name in [name for name in os.environ if name.startswith("FAULTLINE_")]:
        monkeypatch.delenv(name)


def _documents(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Requests of three services, told apart by their latency."""
    return [
        {"@timestamp": T + n // 3 * 100, "service": f"s{n % 3}", "status": 200, "latency_ms": n, "path": "/"}
        for n in range(first, first + count)
    ]


def _environment(kafka: Broker, url: str) -> dict[str, str]:
    """Settings of a namespace of its own, with its topics."""
    environ = {
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FAULTLINE_NAMESPACE": kafka.unique("n"),
        "FAULTLINE_OPENSEARCH__URL": url,
        "FAULTLINE_OPENSEARCH__USER": "reader",
        "FAULTLINE_OPENSEARCH__PASSWORD": "open sesame",
    }
    settings = load_settings(environ)
    for topic in (settings.topics.events, settings.topics.raw[0], settings.topics.deadletter):
        kafka.create_topic(topic, partitions=3)
    kafka.create_topic(state_topic(settings, "source"), config={"cleanup.policy": "compact"})
    return environ


def _latencies(records: list[Record]) -> list[int]:
    events, faults = decode_events([record.value for record in records if not record.headers])
    assert not faults
    return sorted(int(value) for value in events.metric_value)


def _times_by_partition(records: list[Record]) -> list[np.ndarray]:
    found = []
    for partition in {record.partition for record in records}:
        mine = [record.value for record in records if record.partition == partition and not record.headers]
        found.append(decode_events(mine)[0].time)
    return found


@pytest.mark.timeout(1200)  # two commands that load everything, on a machine that many share
def test_a_source_that_is_killed_and_started_again_sends_every_document_once(
    kafka: Broker, opensearch: OpenSearchAt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken: list[dict[str, Any]] = [
        {"@timestamp": T, "service": "s0", "latency_s": "fast"},  # text in this index, a number elsewhere
        {"@timestamp": T + 1, "message": "of nobody"},
        {"service": "s0", "message": "no time"},
    ]
    indices = [
        opensearch.index(_documents(2_500), shards=2),
        opensearch.index([*_documents(1_500, 2_500), *broken]),
    ]
    held = threading.Event()
    reading: list[str] = []

    def fault(method: str, path: str) -> Answer | None:
        if "/_search" in path:
            reading.append(path)
            if len(reading) > 5:
                held.wait(500)
        return None

    with HttpProxy(opensearch.url) as proxy:
        proxy.fault = fault
        environ = _environment(kafka, proxy.url)
        settings = load_settings(environ)
        argv = ["source", "opensearch", "--indices", ",".join(indices), "--id", "shop", "--json"]
        child = subprocess.Popen(
            [sys.executable, "-m", "workers.cli.main", *argv],
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            deadline = time.monotonic() + 400
            while not (len(reading) > 5 and kafka.read(settings.topics.events)):
                assert child.poll() is None, child.stderr and child.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            child.kill()
            child.communicate()
        sent = len(kafka.read(settings.topics.events))
        proxy.fault = lambda method, path: None
        held.set()
        again = faultline(*argv, env=environ, timeout=600)
    assert again.code == 0, again.err
    assert "sesame" not in again.err + again.out
    assert again.json["before"] > 0
    assert 0 < sent < 4_000
    records = kafka.read(settings.topics.events)
    assert _latencies(records) == list(range(4_000))
    for times in _times_by_partition(records):
        assert (np.diff(times) >= 0).all()
    ticks = [record for record in records if record.headers and record.headers[0][0] == TICK_HEADER]
    assert len(ticks) == len({record.partition for record in records})
    letters = [dict(record.headers) for record in kafka.read(settings.topics.deadletter)]
    assert [letter["faultline-error-class"] for letter in letters] == [b"invalid"] * 3
    assert {letter["opensearch-index"].decode() for letter in letters} == {indices[1]}

    opensearch.add(indices[1], _documents(10, 4_000), first=5_000)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAULTLINE_OPENSEARCH__URL", opensearch.url)
    capsys.readouterr()
    source(indices=",".join(indices), name="shop", as_json=True)
    later = json.loads(capsys.readouterr().out)
    assert (later["documents"], later["before"]) == (10, 4_003)
    assert _latencies(kafka.read(settings.topics.events)) == list(range(4_010))
    assert later["lacking"] == {}

    # Others than those that are left out have gone by now: that does not hide them.
    opensearch.client.indices.delete(index=indices[0])
    opensearch.add(indices[1], _documents(5), first=6_000)
    source(indices=indices[1], name="shop", as_json=True)
    told = capsys.readouterr()
    last = json.loads(told.out)
    assert (last["documents"], last["lacking"]) == (0, {indices[1]: 5})
    assert f"{indices[1]}: the server counts 1,518 documents, and 1,513 of them were sent" in told.err


def test_raw_the_documents_go_out_as_they_are_those_of_an_entity_to_one_partition(
    kafka: Broker, opensearch: OpenSearchAt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index = opensearch.index([*_documents(300), {"free": "text"}, {"free": "x" * 1_100_000}])
    environ = _environment(kafka, opensearch.url)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    source(indices=index, raw=True, as_json=True)
    done = json.loads(capsys.readouterr().out)
    assert (done["documents"], done["events"], done["dead"]) == (302, 301, 1)
    records = kafka.read(load_settings(environ).topics.raw[0])
    found = sorted((json.loads(record.value or b"") for record in records), key=lambda one: one.get("latency_ms", -1))
    assert found == [{"free": "text"}, *_documents(300)]
    (letter,) = kafka.read(load_settings(environ).topics.deadletter)
    assert dict(letter.headers)["faultline-error-class"] == b"too_large"
    homes = {record.key: record.partition for record in records}
    assert all(homes[record.key] == record.partition for record in records)


def _traffic(day: int) -> list[dict[str, Any]]:
    """A quarter of an hour of requests; a few are slow and fail."""
    chance = random.Random(day)
    documents = []
    for n in range(900):
        broken = chance.random() < 1 / 300
        documents.append(
            {
                "@timestamp": T + day * 86_400_000 + n * 1_000,
                "service": f"s{n % 2}",
                "status": 503 if broken else 200,
                "latency_ms": (40.0 if broken else 1.0) * chance.lognormvariate(4, 0.2),
                "level": "ERROR" if broken else "INFO",
                "number": n,
            }
        )
    return documents


def test_from_indices_to_a_model_and_the_documents_that_it_finds_anomalous(
    opensearch: OpenSearchAt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = opensearch.index([*_traffic(0), {"message": "nobody, never"}], name="learn-20251024")
    second = opensearch.index(_traffic(1), name="learn-20251026")
    folders: Any = {"data_dir": tmp_path / "data", "models_dir": str(tmp_path / "models")}
    with monkeypatch.context() as settings:
        settings.setenv("FAULTLINE_OPENSEARCH__URL", opensearch.url)
        list_indices(as_json=True)
        by_name = {one["name"]: one for one in json.loads(capsys.readouterr().out)["indices"]}
        assert (by_name[first]["docs"], by_name[second]["docs"]) == (901, 900)
        serials = ",".join(str(by_name[name]["serial"]) for name in (first, second))
        train_command(serials=serials, combine=True, evaluate=True, as_json=True, **folders)
        trained = json.loads(capsys.readouterr().out)
    tag = f"combined_{first}_{second}"
    assert [model["tag"] for model in trained["models"]] == [tag]
    report = json.loads((tmp_path / "data/artifacts" / f"{first}_validation.json").read_text())
    assert (report["documents"], report["events"], report["rejected"]) == (901, 900, 1)

    # Later, from the files alone: no cluster is named.
    features = tmp_path / "data/features" / f"{tag}_features.csv"
    asked: Any = {
        "eval_model_tag": tag,
        "eval_dataset": str(features),
        "consensus": 3,
        "output_dir": tmp_path / "strict",
    }
    judge_command(as_json=True, **asked, **folders)
    tested = json.loads(capsys.readouterr().out)
    strict, usual = tested["evaluated"][0], trained["evaluated"][0]
    assert strict["rows"] == usual["rows"] == 1_800
    assert strict["flagged_by_at_least"] == usual["flagged_by_at_least"]
    assert strict["anomalies"] == strict["flagged_by_at_least"]["3"] <= usual["anomalies"]
    found = json.loads(Path(usual["anomalies_file"]).read_text())["anomalies"]
    assert len(found) == usual["anomalies"]
    assert len(json.loads(Path(strict["anomalies_file"]).read_text())["anomalies"]) == strict["anomalies"]
    failed = [
        (name, document["number"])
        for name, day in ((first, 0), (second, 1))
        for document in _traffic(day)
        if document["status"] == 503
    ]
    told = {(one["index"], one["record"]["number"]) for one in found if one["record"]["status"] == 503}
    assert told <= set(failed)
    assert len(told) >= len(failed) - 1 > 2  # one of the few may look like the failure just before it
    assert all(one["agreeing"] >= 2 for one in found)


def test_what_is_missing_is_said_with_the_option_that_gives_it(opensearch: OpenSearchAt, tmp_path: Path) -> None:
    url = opensearch.url.replace("//", "//reader:sesame@")
    with pytest.raises(WrongUse, match="--es-url"):
        download(indices="x", data_dir=tmp_path)
    with pytest.raises(WrongUse, match="--indices") as nothing:
        download(es_url=url, data_dir=tmp_path)
    with pytest.raises(WrongUse, match="faultline opensearch list") as unknown:
        download(es_url=url, indices="none", data_dir=tmp_path)
    assert "sesame" not in str(nothing.value) + str(unknown.value)
    with pytest.raises(WrongUse, match="--password-file"):
        download(es_url=url, indices="none", password_file=tmp_path / "missing", data_dir=tmp_path)
