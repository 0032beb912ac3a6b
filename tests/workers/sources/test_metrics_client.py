"""The client of a metrics server on bad days: what is asked again, what is given up, and what is never said."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from pydantic import SecretStr
from structlog.testing import capture_logs
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.support.process import free_port
from tests.support.scripted import Reply, Scripted
from workers.queries.model import Query, QueryFile
from workers.settings_victoriametrics import VictoriaMetricsSettings
from workers.sources.stopping import Interrupted
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.collect import Collector, Wanted
from workers.sources.victoriametrics.errors import Away, Refused, Resting, Slow, SourceError, TooMuch


class Naps:
    """A clock whose sleeps take no time but count, and which is ahead of the world's by `ahead` seconds."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.naps: list[float] = []
        self.ahead = ahead

    def monotonic(self) -> float:
        return sum(self.naps)

    def time(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)


@contextmanager
def client_of(server: Scripted, clock: Naps | None = None, /, **settings: object) -> Iterator[Client]:
    own = VictoriaMetricsSettings.model_validate({"url": server.url, "timeout_s": 60.0, **settings})
    with Client(own, clock or Naps()) as client:
        yield client


def test_what_passes_is_asked_again_and_no_more_often_than_the_settings_say() -> None:
    bad = Reply(502)
    with Scripted(bad, bad, Reply.vector(1.0)) as server, client_of(server) as client:
        assert [one.value.tolist() for one in client.query("up")] == [[1.0]]
        assert len(server.asked) == 3
    with Scripted(bad) as server, client_of(server, retries=2) as client:
        with pytest.raises(Away, match="HTTP 502"):
            client.query("up")
        assert len(server.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_gets_it(status: int) -> None:
    clock = Naps()
    asks = Reply(status, headers={"Retry-After": "7"})
    with Scripted(asks, Reply.vector(1.0)) as server, client_of(server, clock) as client:
        client.query("up")
        assert len(server.asked) == 2
    assert 6.999 < sum(clock.naps) < 20.0


def test_once_stopped_nothing_is_waited_for() -> None:
    clock = Naps()
    with Scripted(Reply(429, headers={"Retry-After": "300"})) as server:
        own = VictoriaMetricsSettings(url=server.url, timeout_s=60.0, retries=20)
        with Client(own, clock, lambda: sum(clock.naps) > 450) as client, pytest.raises(Interrupted):
            client.query("up")
        assert len(server.asked) == 2
    assert sum(clock.naps) < 460


def test_a_stop_is_heard_while_the_server_thinks() -> None:
    stopped = threading.Event()
    with Scripted(Reply(hang=True)) as server:
        server.on_asked = lambda count: stopped.set()
        own = VictoriaMetricsSettings(url=server.url, timeout_s=300.0, retries=20)
        began = time.monotonic()
        with Client(own, stopped=stopped.is_set) as client, pytest.raises(Interrupted):
            client.query("up")
        assert time.monotonic() - began < 30
        assert len(server.asked) == 1


def test_what_will_never_be_answered_is_asked_once() -> None:
    for reply, kind in ((Reply(400, b'{"status":"error","error":"parse error"}'), Refused), (Reply(401), Refused)):
        with Scripted(reply) as server, client_of(server) as client:
            with pytest.raises(kind):
                client.query("sum(")
            assert len(server.asked) == 1


def test_a_part_of_an_answer_is_asked_for_again() -> None:
    with Scripted(Reply.of({}, isPartial=True), Reply.vector(2.0)) as server, client_of(server) as client:
        assert len(client.query("up")) == 1
        assert server.asked[0].form["deny_partial_response"] == "1"


def test_a_server_that_hangs_is_given_up_in_time() -> None:
    with Scripted(Reply(hang=True)) as server, client_of(server, timeout_s=2.0, retries=1) as client:
        with pytest.raises(Slow, match=r"no answer within 2 s"):
            client.query("up")
        assert len(server.asked) == 2


def test_nobody_at_the_address_is_told_without_what_is_secret_in_it() -> None:
    settings = VictoriaMetricsSettings(url=f"http://user:hush@127.0.0.1:{free_port()}", retries=1)
    with capture_logs() as logs, Client(settings, Naps()) as client, pytest.raises(Away, match="be reached") as raised:
        client.query("up")
    assert "hush" not in str(raised.value) + str(logs) + client.where + repr(
        settings.model_dump(mode="json")["password"]
    )


def test_a_server_that_keeps_failing_is_left_alone() -> None:
    with Scripted(Reply(500)) as server, client_of(server, retries=0, breaker_failures=3) as client:
        for _ in range(3):
            with pytest.raises(Away):
                client.query("up")
        with pytest.raises(Resting, match="left alone for 30 s"):
            client.query("up")
        assert len(server.asked) == 3


def test_a_server_that_is_back_is_asked_as_before() -> None:
    bad, good = Reply(500), Reply.vector(1.0)
    settings = {"retries": 0, "breaker_failures": 2, "breaker_pause_s": 0.001}
    with Scripted(bad, bad, good, bad, good, bad, bad) as server, client_of(server, **settings) as client:
        for _ in range(2):
            with pytest.raises(Away):
                client.query("up")
        trial = Retrying(retry=retry_if_exception_type(Resting), stop=stop_after_delay(60), wait=wait_fixed(0.01))
        assert trial(client.query, "up")
        # It counts anew: one failure more is not enough, two in a row are.
        with pytest.raises(Away, match="HTTP 500"):
            client.query("up")
        assert client.query("up")
        for _ in range(2):
            with pytest.raises(Away, match="HTTP 500"):
                client.query("up")
        assert len(server.asked) == 7


def test_wrong_queries_do_not_open_the_breaker() -> None:
    wrong = Reply(422, b'{"status":"error","error":"unexpected token"}')
    with Scripted(*[wrong] * 5, Reply.vector(1.0)) as server, client_of(server, breaker_failures=2) as client:
        for _ in range(5):
            with pytest.raises(Refused):
                client.query("sum(")
        assert client.query("up")


def test_credentials_are_sent_and_never_said() -> None:
    reply = Reply(403, b'{"status":"error","error":"no"}')
    for settings, header in (
        ({"username": "me", "password": "hush"}, "Basic bWU6aHVzaA=="),
        ({"token": "hush"}, "Bearer hush"),
    ):
        with (
            structlog.testing.capture_logs() as logs,
            Scripted(reply) as server,
            client_of(server, **settings) as client,
        ):
            with pytest.raises(Refused) as raised:
                client.query("up")
            assert server.asked[0].headers["Authorization"] == header
        assert "hush" not in str(raised.value) + str(logs) + repr(VictoriaMetricsSettings.model_validate(settings))


def test_those_in_the_address_and_further_headers_are_sent_too() -> None:
    with Scripted(Reply.vector(1.0)) as server:
        url = server.url.replace("http://", "http://me:hu%40sh@")
        own = VictoriaMetricsSettings(url=f"{url}/select/0/prometheus", headers={"X-Scope-OrgID": SecretStr("t1")})
        with Client(own, Naps()) as client:
            client.query("up")
        assert server.asked[0].path == "/select/0/prometheus/api/v1/query"
        assert server.asked[0].headers["Authorization"] == "Basic bWU6aHVAc2g="
        assert server.asked[0].headers["X-Scope-OrgID"] == "t1"


def test_no_redirect_is_followed_with_our_credentials() -> None:
    with Scripted(Reply(302, headers={"Location": "http://127.0.0.1:1/"})) as server:
        with client_of(server, token="hush") as client, pytest.raises(Refused, match="redirects"):
            client.query("up")
        assert len(server.asked) == 1


def test_time_goes_by_the_servers_clock_where_that_is_behind() -> None:
    with Scripted(Reply.vector(1.0)) as server, capture_logs() as logs, client_of(server, Naps(3600.0)) as client:
        client.query("up")
        assert abs(client.now() - time.time()) < 30
    assert [log["event"] for log in logs] == ["the server's clock is behind ours: going by its"]
    with Scripted(Reply.vector(1.0)) as server, client_of(server, Naps(-3600.0)) as client:
        client.query("up")
        assert client.now() < time.time() - 3500


def test_a_server_without_trusted_certificate_is_refused_with_the_way_out(tmp_path: object) -> None:
    settings = VictoriaMetricsSettings(url="https://127.0.0.1:1", ca_path="/nowhere.pem")
    with pytest.raises(Refused, match="CA_PATH"):
        Client(settings, Naps())


FILE = QueryFile(label="job", queries=[Query(name="m", query="max by ({label}) (m)")])


def wanted(**more: object) -> Wanted:
    fields: dict[str, object] = {
        "file": FILE,
        "label": "job",
        "filter": "",
        "services": ["s0"],
        "step": 60,
        "max_points": 100,
        **more,
    }
    return Wanted(**fields)  # type: ignore[arg-type]


def matrix(*values: tuple[int, float], job: str = "s0") -> dict[str, object]:
    return {"metric": {"job": job}, "values": [[t, str(v)] for t, v in values]}


def ranges(*series: dict[str, object]) -> Reply:
    return Reply.of({"resultType": "matrix", "result": list(series)})


def test_a_range_that_is_too_slow_is_asked_for_in_halves_and_later_ones_from_the_start() -> None:
    replies = [Reply(hang=True), ranges(matrix((60, 1))), ranges(matrix((180, 3))), ranges(matrix((300, 5)))]
    with Scripted(*replies) as server, client_of(server, timeout_s=5.0) as client:
        slices = list(Collector(client, wanted(max_points=4)).slices(60, 360))
        spans = [(int(one.form["start"]), int(one.form["end"])) for one in server.asked]
    assert spans == [(60, 240), (60, 120), (180, 240), (300, 360)]
    values = [value for one in slices for value in one.values[:, 0, 0].tolist() if value == value]
    assert values == [1.0, 3.0, 5.0]


def test_what_is_too_much_even_for_one_step_is_told_with_the_query() -> None:
    reply = Reply(422, b'{"status":"error","error":"too many samples"}')
    with Scripted(reply) as server, client_of(server) as client, pytest.raises(TooMuch, match="query m: HTTP 422"):
        list(Collector(client, wanted()).slices(60, 180))


def test_a_wrong_query_is_named() -> None:
    reply = Reply(400, b'{"status":"error","error":"parse error"}')
    with (
        Scripted(reply) as server,
        client_of(server) as client,
        pytest.raises(SourceError, match="query m: parse error"),
    ):
        list(Collector(client, wanted()).slices(60, 180))


def test_series_that_say_nothing_of_one_service_are_left_out_and_told() -> None:
    reply = ranges(matrix((60, 1)), matrix((60, 2)), matrix((60, 5), job="s1"), {"metric": {}, "values": [[60, "9"]]})
    with Scripted(reply) as server, client_of(server) as client:
        collector = Collector(client, wanted())
        [part] = collector.slices(60, 60)
    assert (list(part.services), part.values.tolist()) == (["s1"], [[[5.0]]])
    assert collector.oddities.lines() == [
        "m: 1 series without the service's label were left out",
        "m: several series of one service (s0): left out; aggregate by the label alone",
    ]


def test_a_query_of_one_service_is_asked_for_each_with_its_name_put_in() -> None:
    file = QueryFile(label="job", queries=[Query(name="m", query='max(m{job="{service}", {filter}})')])
    with Scripted(ranges(matrix((60, 1), job=""))) as server, client_of(server) as client:
        asked = wanted(file=file, services=["b", 'a"'], filter='env="prod",')
        [part] = Collector(client, asked).slices(60, 60)
        queries = [one.form["query"] for one in server.asked]
    assert queries == [
        'max(m{job="a\\"", env="prod", job=~"b|a\\""})',
        'max(m{job="b", env="prod", job=~"b|a\\""})',
    ]
    assert list(part.services) == ['a"', "b"]
