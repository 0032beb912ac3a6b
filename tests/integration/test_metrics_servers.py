"""A real VictoriaMetrics and a real Prometheus into tables and into a real Kafka: counts equal the servers' own."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import pyarrow.parquet as pq
import pytest

from schemas.columns import Strings
from schemas.events import decode_events
from tests.support.broker import Broker
from tests.support.cli import faultline, running
from tests.support.installation import eventually
from tests.support.metrics_servers import Prometheus, Sample, VictoriaMetrics
from workers.settings import load_settings
from workers.topics import state_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

STEP = 60
START = 1_772_323_200
_PATIENCE = 600
COUNT = 360
END = START + (COUNT - 1) * STEP
SERVICES = ("cart", 'odd "name"', "pay")
GAP = range(100, 150)

# 59 s: until version 3 both ends of Prometheus' windows belong to them, and a sample a minute would count twice.
QUERIES = """
label: service
queries:
  - {name: seen, unit: count, query: 'sum by ({label}) (sum_over_time(seen{ {filter} }[59s]))'}
  - {name: rate, unit: per_second, query: 'sum by ({label}) (rate(done_total[5m]))', direction: both}
  - {name: alone, query: 'max(max_over_time(seen{service="{service}"}[59s]))'}
  - {name: never, query: 'sum by ({label}) (nothing_of_that_name)'}
"""


def history() -> list[Sample]:
    """A gauge with a gap, and a counter that is reset in the middle."""
    samples = []
    for number in range(COUNT):
        at, total = START + number * STEP, float(number % 180) * 60
        for name in SERVICES:
            label = 'service="' + name.replace('"', '\\"') + '"'
            if name != "pay" or number not in GAP:
                samples.append(Sample("seen", label, float(number), at))
            samples.append(Sample("done_total", label, total, at))
    return samples


@pytest.fixture(scope="module")
def servers() -> Iterator[Mapping[str, str]]:
    samples = history()
    with VictoriaMetrics() as victoria, Prometheus(samples) as prometheus:
        victoria.write(samples)
        yield {"victoriametrics": victoria.url, "prometheus": prometheus.url}


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(QUERIES)
    return path


def of_the_server(url: str) -> dict[str, int]:
    """How many samples of the gauge the server counts itself, by service."""
    form = {"query": f"sum by (service) (count_over_time(seen[{COUNT * STEP}s]))", "time": str(END)}
    with urlopen(f"{url}/api/v1/query?{urlencode(form)}") as answer:
        result = json.load(answer)["data"]["result"]
    return {one["metric"]["service"]: int(float(one["value"][1])) for one in result}


def asked(url: str, queries: Path, **more: str) -> dict[str, str]:
    own = {"VM_ENDPOINT": url, "FAULTLINE_VICTORIAMETRICS__QUERIES": str(queries)}
    return {**own, "FAULTLINE_VICTORIAMETRICS__STEP_S": str(STEP), **more}


def when(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


SPAN = ("--since", when(START), "--until", when(END))


@pytest.mark.parametrize("kind", ["victoriametrics", "prometheus"])
def test_tables_hold_what_the_server_counts(
    servers: Mapping[str, str], kind: str, queries: Path, tmp_path: Path
) -> None:
    env = asked(servers[kind], queries, FAULTLINE_VICTORIAMETRICS__MAX_POINTS="100")
    out = str(tmp_path / "out.parquet")
    done = faultline("source", "victoriametrics", *SPAN, "--save-data", out, "--json", env=env, timeout=_PATIENCE)
    assert done.code == 0, done.err
    table = pq.read_table(tmp_path / "out.parquet").to_pandas()
    seen = table.dropna(subset=["seen_count"])
    assert seen.groupby("entity").size().to_dict() == of_the_server(servers[kind])
    assert of_the_server(servers[kind])["pay"] == COUNT - len(GAP)
    number = (seen["timestamp"].astype("int64") // 10**6 - START) // STEP
    assert (seen["seen_count"] == number).all()
    assert (seen["alone"] == seen["seen_count"]).all()
    assert table["rate_per_second"].min() >= 0  # the counter was reset
    assert table["never"].isna().all()
    services = done.json["services"]
    assert services["pay"]["metrics"]["seen_count"]["longest_gap_s"] == (len(GAP) + 1) * STEP
    assert services["pay"]["metrics"]["never"]["problems"] == ["no value"]
    assert json.loads((tmp_path / "out.quality.json").read_text())["services"] == services


@pytest.mark.parametrize("kind", ["victoriametrics", "prometheus"])
def test_a_check_tells_of_the_server_and_of_each_query(servers: Mapping[str, str], kind: str, queries: Path) -> None:
    queries.write_text(QUERIES + "  - {name: broken, query: 'sum('}\n")
    env = asked(servers[kind], queries, FAULTLINE_VICTORIAMETRICS__DELAY_S=str(int(time.time()) - END))
    done = faultline("source", "victoriametrics", "--check", "--json", env=env, timeout=_PATIENCE)
    states = {one["check"]: one["state"] for one in done.json["findings"]}
    assert done.code == 1
    assert states["metrics server"] == states["clock of metrics server"] == states["query seen"] == "ok"
    assert (states["query never"], states["query broken"]) == ("warning", "failed")


def test_a_server_that_gives_fewer_points_at_once_than_we_ask_for_is_asked_in_halves(
    queries: Path, tmp_path: Path
) -> None:
    """With VictoriaMetrics' own refusal: its words are what the client goes by."""
    out = str(tmp_path / "out.parquet")
    with VictoriaMetrics("-search.maxPointsPerTimeseries=50") as server:
        server.write(history())
        env = asked(server.url, queries)
        done = faultline("source", "victoriametrics", *SPAN, "--save-data", out, "--json", env=env, timeout=_PATIENCE)
        assert done.code == 0, done.err
        expected = of_the_server(server.url)
    seen = pq.read_table(out).to_pandas().dropna(subset=["seen_count"])
    assert seen.groupby("entity").size().to_dict() == expected
    number = (seen["timestamp"].astype("int64") // 10**6 - START) // STEP
    assert (seen["seen_count"] == number).all()


def test_a_server_that_is_not_there_is_told_without_its_password(queries: Path) -> None:
    env = asked("http://me:hush@127.0.0.1:1", queries, VM_MAX_RETRIES="1")
    done = faultline("source", "victoriametrics", "--list", env=env, timeout=_PATIENCE)
    assert done.code == 1
    assert "http://127.0.0.1:1: cannot be reached" in done.err
    assert "hush" not in done.err + done.out


def texts(column: Strings) -> list[str]:
    return [column.values[code] for code in column.codes.tolist()]


class Place:
    """An installation's topics, as far as a source needs them."""

    def __init__(self, kafka: Broker) -> None:
        self.kafka = kafka
        self.env = {
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "FAULTLINE_NAMESPACE": kafka.unique("vm"),
        }
        settings = load_settings(self.env)
        self.topic = kafka.create_topic(settings.topics.events, partitions=3)
        kafka.create_topic(state_topic(settings, "source"), config={"cleanup.policy": "compact"})

    def events(self) -> list[tuple[str, int, float | None]]:
        """(entity, epoch seconds, `seen_count`) of everything that is committed."""
        records = [one for one in self.kafka.read(self.topic) if not one.headers]
        events, faults = decode_events([one.value for one in records], [one.key for one in records])
        assert not faults
        rows = np.flatnonzero([name == "seen_count" for name in texts(events.metric_name)])
        seen = dict(zip(events.metric_row[rows].tolist(), events.metric_value[rows].tolist(), strict=True))
        pairs = zip(texts(events.entity), (events.time // 1_000_000).tolist(), strict=True)
        return [(name, at, seen.get(row)) for row, (name, at) in enumerate(pairs)]


@pytest.fixture
def place(kafka: Broker) -> Place:
    return Place(kafka)


def await_events(place: Place, count: int, seconds: float = 400) -> None:
    eventually(lambda: len(place.events()) >= count, seconds, f"{count} events come")


@pytest.mark.timeout(1800)  # four commands that each load everything: minutes on a machine that many share
def test_killed_midway_and_started_again_it_sends_what_the_server_counts(
    servers: Mapping[str, str], queries: Path, place: Place
) -> None:
    # Four steps a request, so that there are many transactions to be killed between.
    env = {**asked(servers["victoriametrics"], queries, FAULTLINE_VICTORIAMETRICS__MAX_POINTS="4"), **place.env}
    for least in (1, 400):
        with running("source", "victoriametrics", *SPAN, env=env) as process:
            await_events(place, least)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert least <= len(place.events()) < len(SERVICES) * COUNT
    done = faultline("source", "victoriametrics", *SPAN, "--json", env=env, timeout=_PATIENCE)
    assert done.code == 0, done.err
    assert "going on behind" in done.err
    events = place.events()
    assert max(Counter((entity, at) for entity, at, _ in events).values()) == 1
    counted = Counter(entity for entity, _, value in events if value is not None)
    assert counted == of_the_server(servers["victoriametrics"])
    assert all(value is None or value == (at - START) // STEP for _, at, value in events)
    ticks = [one for one in place.kafka.read(place.topic) if one.headers]
    assert {one.partition for one in ticks} == {one.partition for one in place.kafka.read(place.topic)}
    again = faultline("source", "victoriametrics", *SPAN, "--json", "--no-end", env=env, timeout=_PATIENCE)
    assert again.json["events"] == 0


@pytest.mark.timeout(1200)
def test_live_polling_outlives_a_server_that_goes_away(queries: Path, place: Place) -> None:
    options = {"FAULTLINE_VICTORIAMETRICS__STEP_S": "1", "FAULTLINE_VICTORIAMETRICS__DELAY_S": "1", "VM_TIMEOUT": "2"}
    with VictoriaMetrics("-search.latencyOffset=1ms") as server:
        now = int(time.time())
        server.write([Sample("seen", 'service="cart"', float(at), at) for at in range(now - 5, now + 1_200)])
        env = {**asked(server.url, queries), **place.env, **options}
        with running("source", "victoriametrics", "--live", "--since", when(now - 5), env=env) as process:
            await_events(place, 3)
            server.stop()
            away = len(place.events())
            server.start()
            await_events(place, away + 5)
            process.terminate()
            _, said = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, said
    times = [at for _, at, _ in place.events()]
    assert times == list(range(now - 5, now - 5 + len(times)))
