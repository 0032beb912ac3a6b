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
from workers.settings import load_settings
from workers.sources.ending import TICK_HEADER
from workers.topics import state_topic

pytestmark = pytest.mark.integration

T = 1_700_000_000_000


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


def test_a_source_that_is_killed_and_started_again_sends_every_document_once(
    kafka: Broker, opensearch: OpenSearchAt
) -> None:
    broken: list[dict[str, Any]] = [
        {"@timestamp": T, "service": "s0", "latency_s": "fast"},  # text in this index, a number elsewhere
        {"@timestamp": T + 1, "message": "of nobody"},
        {"service": "s0", "message": "no time"},
        {"@timestamp": T + 2, "service": "s0", "message": "x" * 1_000_000},
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
                held.wait(120)
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
            deadline = time.monotonic() + 120
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
        again = faultline(*argv, env=environ, timeout=240)
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
    assert sorted(letter["faultline-error-class"] for letter in letters) == [
        b"invalid",
        b"invalid",
        b"invalid",
        b"too_large",
    ]
    assert {letter["opensearch-index"].decode() for letter in letters} == {indices[1]}

    opensearch.add(indices[1], _documents(10, 4_000), first=5_000)
    later = faultline(*argv, env=environ, timeout=240).json
    assert (later["documents"], later["before"]) == (10, 4_004)
    assert _latencies(kafka.read(settings.topics.events)) == list(range(4_010))


def test_raw_the_documents_go_out_as_they_are_those_of_an_entity_to_one_partition(
    kafka: Broker, opensearch: OpenSearchAt
) -> None:
    index = opensearch.index([*_documents(300), {"free": "text"}])
    environ = _environment(kafka, opensearch.url)
    done = faultline("source", "opensearch", "--index", index, "--raw", "--json", env=environ, timeout=240)
    assert done.code == 0, done.err
    assert (done.json["documents"], done.json["events"], done.json["dead"]) == (301, 301, 0)
    records = kafka.read(load_settings(environ).topics.raw[0])
    found = sorted((json.loads(record.value or b"") for record in records), key=lambda one: one.get("latency_ms", -1))
    assert found == [{"free": "text"}, *_documents(300)]
    homes = {record.key: record.partition for record in records}
    assert all(homes[record.key] == record.partition for record in records)


def _traffic(day: int) -> list[dict[str, Any]]:
    """Half an hour of requests; every hundredth is slow and fails."""
    chance = random.Random(day)
    return [
        {
            "@timestamp": T + day * 86_400_000 + n * 1_000,
            "service": f"s{n % 2}",
            "status": 503 if n % 100 == 99 else 200,
            "latency_ms": (40.0 if n % 100 == 99 else 1.0) * chance.lognormvariate(4, 0.2),
            "level": "ERROR" if n % 100 == 99 else "INFO",
            "number": n,
        }
        for n in range(900)
    ]


def test_from_indices_to_a_model_and_the_documents_that_it_finds_anomalous(
    opensearch: OpenSearchAt, tmp_path: Path
) -> None:
    first = opensearch.index([*_traffic(0), {"message": "nobody, never"}], name="learn-20251024")
    second = opensearch.index(_traffic(1), name="learn-20251026")
    environ = {"FAULTLINE_OPENSEARCH__URL": opensearch.url}
    folders = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "models")]
    listed = faultline("opensearch", "list", "--json", env=environ, timeout=120).json["indices"]
    by_name = {one["name"]: one for one in listed}
    assert (by_name[first]["docs"], by_name[second]["docs"]) == (901, 900)

    serials = ",".join(str(by_name[name]["serial"]) for name in (first, second))
    argv = ["--index-serials", serials, "--combine", "--evaluate", "--json", *folders]
    trained = faultline("opensearch", "train", *argv, env=environ, timeout=280)
    assert trained.code == 0, trained.err
    tag = f"combined_{first}_{second}"
    assert [model["tag"] for model in trained.json["models"]] == [tag]
    report = json.loads((tmp_path / "data/artifacts" / f"{first}_validation.json").read_text())
    assert (report["documents"], report["events"], report["rejected"]) == (901, 900, 1)

    # Later, from the files alone: no cluster is named.
    features = tmp_path / "data/features" / f"{tag}_features.csv"
    argv = ["--eval-model-tag", tag, "--eval-dataset", str(features), "--consensus-threshold", "3", "--json", *folders]
    tested = faultline("opensearch", "test", *argv, timeout=280)
    assert tested.code == 0, tested.err
    strict, usual = tested.json["evaluated"][0], trained.json["evaluated"][0]
    assert strict["rows"] == usual["rows"] == 1_800
    assert strict["flagged_by_at_least"] == usual["flagged_by_at_least"]
    assert strict["anomalies"] == strict["flagged_by_at_least"]["3"] <= usual["anomalies"]
    found = json.loads(Path(usual["anomalies_file"]).read_text())["anomalies"]
    assert len(found) == strict["anomalies"]
    broken = [one for one in found if one["record"]["status"] == 503]
    assert len(broken) >= 9  # half of those that there are, by all three
    assert all(one["index"] in (first, second) and one["record"]["number"] % 100 == 99 for one in broken)


def test_what_is_missing_is_said_with_the_option_that_gives_it(opensearch: OpenSearchAt, tmp_path: Path) -> None:
    nowhere = faultline("opensearch", "download", "--index", "x", "--data-dir", str(tmp_path))
    assert (nowhere.code, "--es-url" in nowhere.err) == (2, True)
    url = opensearch.url.replace("//", "//reader:sesame@")
    nothing = faultline("opensearch", "download", "--es-url", url, "--data-dir", str(tmp_path))
    assert (nothing.code, "--indices" in nothing.err) == (2, True)
    unknown = faultline("opensearch", "download", "--es-url", url, "--index", "none", "--data-dir", str(tmp_path))
    assert (unknown.code, "faultline opensearch list" in unknown.err) == (2, True)
    assert "sesame" not in nothing.err + unknown.err
