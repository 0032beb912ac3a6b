"""Events into a database that is there, away, busy or wrong: nothing is lost, and what cannot mend ends the worker."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from tests.support.postgresql import PostgreSQL
from tests.workers.history.given import FLAP_REOPENS, lives, tables
from workers.history.delivery import DeliveryPolicy, HistoryDatabase
from workers.history.rows import Event
from workers.history.stage import ADDRESS
from workers.runtime.errors import Fatal
from workers.runtime.records import Output

DAY = 86_400_000_000
EVENTS = lives("h" + "." * 12) + lives("h..", entity="search")
AWAY, BACK = "the history's database takes nothing: events are held", "the history's database is back"


class Stepped:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def outputs(events: Sequence[Event]) -> list[Output]:
    return [Output(ADDRESS, event["incident_id"].encode(), orjson.dumps(event)) for event in events]


def opened(url: str, clock: Stepped, **policy: float) -> HistoryDatabase:
    return HistoryDatabase(DeliveryPolicy(url, flap_reopens=FLAP_REOPENS, **policy), clock)  # type: ignore[arg-type]


def test_all_is_taken_in_batches_and_what_comes_again_changes_nothing(url: str) -> None:
    database = opened(url, Stepped(), batch_events=2)
    assert database.deliver(outputs(EVENTS)) == []
    once = tables(url)
    assert len(once["incident_events"]) == len(EVENTS)
    assert database.deliver(outputs(EVENTS)) == []
    database.close()
    assert tables(url) == once


def test_while_another_holds_the_file_events_are_held_and_then_all_of_them_written(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path}/history.db", Stepped()
    database = opened(url, clock, attempts=2)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with capture_logs() as logs:
        for _ in range(2):
            assert list(database.deliver(outputs(EVENTS))) == outputs(EVENTS)
            clock.sleep(10)
        other.execute("COMMIT")
        assert database.deliver(outputs(EVENTS)) == []
    assert [line["event"] for line in logs] == [AWAY, BACK]
    assert len(tables(url)["incident_events"]) == len(EVENTS)
    database.close()


def test_until_its_pause_is_over_a_database_that_is_away_is_not_asked(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path}/history.db", Stepped()
    database = opened(url, clock, attempts=1, pause_least=5.0)
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database.deliver(outputs(EVENTS))
    other.execute("COMMIT")
    assert list(database.deliver(outputs(EVENTS))) == outputs(EVENTS)
    clock.sleep(5.1)
    assert database.deliver(outputs(EVENTS)) == []
    database.close()


def test_a_server_that_is_stopped_for_a_while_loses_nothing() -> None:
    with PostgreSQL() as server:
        clock = Stepped()
        database = opened(server.new_database(), clock)
        assert database.deliver(outputs(EVENTS[:2])) == []
        server.stop()
        with capture_logs() as logs:
            assert list(database.deliver(outputs(EVENTS))) == outputs(EVENTS)
            clock.sleep(10)
            assert list(database.deliver(outputs(EVENTS))) == outputs(EVENTS)
            server.start()
            clock.sleep(10)
            assert database.deliver(outputs(EVENTS)) == []
        assert [line["event"] for line in logs] == [AWAY, BACK]
        assert len(tables(database._policy.url)["incident_events"]) == len(EVENTS)
        database.close()


def test_a_server_that_is_down_at_the_start_is_waited_for() -> None:
    with PostgreSQL() as server:
        url, clock = server.new_database(), Stepped()
        server.stop()
        database = opened(url, clock)
        server.start()
        clock.sleep(10)
        assert database.deliver(outputs(EVENTS)) == []
        database.close()


def test_a_server_that_answers_no_more_costs_a_bounded_time() -> None:
    with PostgreSQL() as server:
        url, clock = server.new_database(), Stepped()
        database = opened(url, clock, call_most=0.5)
        server.freeze()
        assert list(database.deliver(outputs(EVENTS))) == outputs(EVENTS)
        server.thaw()
        clock.sleep(10)
        while database.deliver(outputs(EVENTS)):
            clock.sleep(10)
        assert len(tables(url)["incident_events"]) == len(EVENTS)
        database.close()


@pytest.fixture(autouse=True)
def _needs_a_server(request: pytest.FixtureRequest) -> None:
    if "server" in request.node.name:
        request.getfixturevalue("postgresql")


def test_a_wrong_password_or_database_ends_the_worker(postgresql: PostgreSQL) -> None:
    with pytest.raises(Fatal, match=r"password authentication failed.*FAULTLINE_HISTORY__URL"):
        opened(postgresql.url.replace("telemetry", "wrong"), Stepped())
    with pytest.raises(Fatal, match=r"does not exist.*FAULTLINE_HISTORY__URL"):
        opened(postgresql.url + "_none", Stepped())


def test_a_message_never_tells_the_password(postgresql: PostgreSQL) -> None:
    with pytest.raises(Fatal) as found:
        opened(postgresql.url.replace("telemetry", "geheim"), Stepped())
    assert "geheim" not in str(found.value)


def test_what_is_no_database_of_ours_ends_the_worker(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked into" * 20)
    for url in (f"sqlite:///{tmp_path}/text.db", f"sqlite:///{tmp_path}/none/history.db"):
        with pytest.raises(Fatal, match="FAULTLINE_HISTORY__URL"):
            opened(url, Stepped())


def test_tables_that_others_changed_end_the_worker(tmp_path: Path) -> None:
    database = opened(f"sqlite:///{tmp_path}/history.db", Stepped())
    with sqlite3.connect(tmp_path / "history.db") as other:
        other.execute("DROP TABLE entities")
    with pytest.raises(Fatal, match="not as we left them"):
        database.deliver(outputs(EVENTS))
    database.close()


def test_closed_incidents_are_forgotten_by_event_time_a_few_at_a_time(url: str) -> None:
    old = [event for number in range(5) for event in lives("h" + "." * 12, entity=f"old-{number}")]
    still_open = lives("h", entity="open")
    late: list[Event] = [{**event, "time": event["time"] + 3 * DAY} for event in lives("h", entity="new")]
    clock = Stepped()
    database = opened(url, clock, retention_days=2, forget_most=2)
    counts = []
    database.deliver(outputs([*old, *still_open]))
    for _ in range(5):
        clock.sleep(11)
        database.deliver(outputs(late))
        counts.append(len(tables(url)["incidents"]))
    database.close()
    assert counts == [5, 3, 2, 2, 2]
    left = tables(url)
    assert [row[0] for row in left["entities"]] == ["new", "open"]
    assert {row[0] for row in left["incident_events"]} == {row[0] for row in left["incidents"]}


def test_with_no_retention_everything_stays(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path}/history.db", Stepped()
    database = opened(url, clock, retention_days=0)
    database.deliver(outputs(EVENTS))
    clock.sleep(60)
    database.deliver(outputs([{**EVENTS[0], "time": EVENTS[0]["time"] + 9_000 * DAY}]))
    database.close()
    assert len(tables(url)["incident_events"]) == len(EVENTS)
