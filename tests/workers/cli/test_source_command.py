"""`faultline source …` as processes against a real broker: what arrives, what is printed, how they end."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pandas as pd
import pytest
from confluent_kafka import Consumer, TopicPartition

from models.features.host import BASE
from schemas.columns import Events
from schemas.events import decode_events, events_to_dicts
from tests.support.broker import Broker, Record
from tests.support.cli import Finished, faultline, running
from workers.cli import host_agent
from workers.cli.sending import Target
from workers.cli.voice import Voice
from workers.settings import load_settings
from workers.sources.host.sampler import host_event

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


class Place:
    """An events topic, a raw topic, and settings that name them."""

    def __init__(self, kafka: Broker) -> None:
        self.kafka = kafka
        self.events = kafka.create_topic(partitions=4)
        self.raw = kafka.create_topic(partitions=2)
        self.env = {
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "FAULTLINE_TOPICS__EVENTS": self.events,
            "FAULTLINE_TOPICS__RAW": f'["{self.raw}"]',
        }

    def run(self, *arguments: str) -> Finished:
        return faultline("source", *arguments, env=self.env, timeout=240)

    def await_first_record(self) -> None:
        """Wait until something arrived, however much follows it."""
        reader = Consumer({"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": "await"})
        places = [TopicPartition(self.events, partition) for partition in range(4)]
        deadline = time.monotonic() + 240
        while not any(reader.get_watermark_offsets(place, timeout=5)[1] for place in places):
            assert time.monotonic() < deadline, "nothing arrived"
        reader.close()

    def sent(self) -> tuple[list[Record], list[Record]]:
        """Events and ticks on the events topic."""
        records = self.kafka.read(self.events)
        return [r for r in records if not r.headers], [r for r in records if r.headers]


@pytest.fixture
def place(kafka: Broker) -> Place:
    return Place(kafka)


def test_synthetic_events_arrive_in_avro_and_are_closed_one_pane_later(place: Place, tmp_path: Path) -> None:
    saved = tmp_path / "data.parquet"
    options = ("--days", "0.05", "--services", "3", "--seed", "5", "--save-data", str(saved), "--json")
    finished = place.run("synthetic", *options)
    assert finished.code == 0, finished.err
    summary = orjson.loads(finished.out)
    records, ticks = place.sent()
    events, faults = decode_events([r.value for r in records], [r.key for r in records])
    assert not faults
    assert len(events) == summary["events"] == len(pd.read_parquet(saved))
    assert sorted({r.partition for r in records}) == sorted(t.partition for t in ticks) == summary["partitions"]
    assert all(orjson.loads(t.value or b"")["as_of"] == t.offset - 1 for t in ticks)
    assert (tmp_path / "data.truth.parquet").exists()


def test_the_same_seed_sends_the_same_bytes(place: Place) -> None:
    for _ in range(2):
        assert place.run("synthetic", "--days", "0.02", "--seed", "3", "--quiet", "--no-end").code == 0
    values = [record.value for record in place.sent()[0]]
    assert values[: len(values) // 2] == values[len(values) // 2 :]


def test_raw_events_are_json_and_get_no_tick(place: Place) -> None:
    assert place.run("synthetic", "--days", "0.02", "--raw").code == 0
    records = place.kafka.read(place.raw)
    assert place.kafka.read(place.events) == []
    assert not any(record.headers for record in records)
    assert {orjson.loads(record.value or b"")["kind"] for record in records} == {"api"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--episode", "5:2"), "MIN:MAX"),
        (("--anomaly-rate", "0.9"), "anomaly rate"),
        (("--start", "yesterday"), "--start"),
        (("--save-data", "data.xlsx"), ".parquet"),
        (("--live", "--speed", "2"), "--live"),
        (("--no-send",), "--save-data"),
        (("--timezone", "Mars/Olympus"), "Mars/Olympus"),
    ],
)
def test_impossible_wishes_are_wrong_use(place: Place, options: tuple[str, ...], said: str) -> None:
    finished = place.run("synthetic", *options)
    assert finished.code == 2
    assert said in finished.err
    assert place.kafka.read(place.events) == []


def test_the_folder_of_what_is_saved_is_made(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "out" / "new" / "day.ndjson"
    wish = ("synthetic", "--days", "0.01", "--no-send", "--save-data")
    assert place.run(*wish, str(file)).code == 0
    assert file.read_bytes().count(b"\n") > 100
    refused = place.run(*wish, str(file / "day.ndjson"))
    assert (refused.code, "cannot be written" in refused.err) == (1, True), refused.err


def test_tables_are_replayed_as_metrics_and_other_files_skipped_with_a_word(place: Place, tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=50, freq="5min", tz="UTC")
    for name in ("a", "b"):
        table = pd.DataFrame({"timestamp": times, "entity": name, "cpu": range(50), "label": 0})
        table.to_parquet(tmp_path / f"{name}.parquet")
    pd.DataFrame({"entity": ["a"], "start": [1]}).to_parquet(tmp_path / "incidents.parquet")
    finished = place.run("replay", str(tmp_path))
    assert finished.code == 0, finished.err
    assert "incidents.parquet: no column timestamp" in finished.err
    records, ticks = place.sent()
    events = events_to_dicts(decode_events([r.value for r in records])[0])
    assert Counter(event["entity"] for event in events) == {"a": 50, "b": 50}
    assert all(event["kind"] == "metric" and set(event["metrics"]) == {"cpu"} for event in events)
    # The last samples are over when the lateness and one cadence have passed.
    assert {orjson.loads(t.value or b"")["time"] for t in ticks} == {"2024-01-01T04:10:10.000000Z"}


def test_data_may_be_moved_to_end_now(place: Place, tmp_path: Path) -> None:
    times = pd.date_range("2020-01-01", periods=5, freq="1min", tz="UTC")
    pd.DataFrame({"timestamp": times, "entity": "e", "m": range(5)}).to_csv(tmp_path / "e.csv", index=False)
    before = time.time()
    assert place.run("replay", str(tmp_path), "--shift-to-now").code == 0
    events = events_to_dicts(decode_events([r.value for r in place.sent()[0]])[0])
    assert before <= events[-1]["timestamp"] / 1e6 <= time.time()
    assert events[-1]["timestamp"] - events[0]["timestamp"] == 240_000_000


def test_nothing_to_replay_is_wrong_use(place: Place, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    finished = place.run("replay", str(tmp_path))
    assert finished.code == 2
    assert "timestamp" in finished.err


def test_host_samples_carry_base_metrics(place: Place) -> None:
    finished = place.run("host", "--samples", "2", "--interval", "0.3", "--entity", "lab", "--json")
    assert finished.code == 0, finished.err
    records, ticks = place.sent()
    assert ticks == []
    assert {record.key for record in records} == {b"lab"}
    events = events_to_dicts(decode_events([r.value for r in records])[0])
    assert [event["kind"] for event in events] == ["host", "host"]
    assert set(events[1]["metrics"]) <= {feature.name for feature in BASE}
    assert events[1]["metrics"]["context_switches"]["type"] == "counter"


def test_samples_that_wait_are_sent_even_if_the_agent_ends_by_a_bug(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sampling(*_: object) -> Iterator[Events]:
        yield host_event("lab", 1_700_000_000.0, {"cpu_ratio": 0.5})
        raise ZeroDivisionError

    monkeypatch.setattr(host_agent, "host_events", sampling)
    target = Target(load_settings(place.env), place.events, raw=False, end=False)
    with pytest.raises(ZeroDivisionError):
        host_agent.run(target, Voice.of(True, False), "lab", 0.2, 0, False)
    assert [record.key for record in place.sent()[0]] == [b"lab"]


def test_a_live_source_ends_well_when_it_is_told_to(place: Place) -> None:
    with running("source", "host", "--interval", "0.2", env=place.env) as process:
        place.await_first_record()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert place.sent()[0]


def test_a_finite_source_that_is_stopped_fails_and_leaves_no_tick(place: Place) -> None:
    with running("source", "synthetic", "--days", "2", "--speed", "60", env=place.env) as process:
        place.await_first_record()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "stopped early" in err
    assert place.sent()[1] == []


def test_without_a_broker_the_command_says_so(tmp_path: Path) -> None:
    env = {"FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    finished = faultline("source", "host", "--samples", "1", env=env)
    assert finished.code == 1
    assert "Kafka does not answer" in finished.err
    assert "1 samples could not be sent before the end: is the broker up?" in finished.err
