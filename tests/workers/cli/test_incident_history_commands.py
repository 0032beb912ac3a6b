"""`faultline incidents list`, `show` and `export` over a history of a few incidents."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.workers.history.given import lives, written
from workers.cli.failures import Failure, WrongUse
from workers.cli.incidents import app
from workers.history.database import open_engine
from workers.history.queries import Wanted, page, pages, place_of
from workers.history.rows import Event

FLAPPING = lives("h.h.h", entity="shop/cart", first=5)
CLOSED = lives("l" + "." * 12, entity="shop/pay", first=9)
RESOLVED = lives("c.", entity="ops/db", first=20)
OPEN = [event for n in range(3) for event in lives("m", entity=f"ops/job-{n}", first=30)]
ALL: list[Event] = [*FLAPPING, *CLOSED, *RESOLVED, *OPEN]


@pytest.fixture
def history(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    written(url, [ALL])
    monkeypatch.setenv("FAULTLINE_HISTORY__URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    return url


def asked(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(*arguments: str) -> list[str]:
    return [one["entity"] for one in json.loads(asked("list", "--json", *arguments))["incidents"]]


def id_of(events: list[Event]) -> str:
    incident: str = events[0]["incident_id"]
    return incident


@pytest.mark.usefixtures("history")
def test_the_newest_come_first_and_every_filter_leaves_out_the_rest() -> None:
    assert sorted(listed()[:3]) == ["ops/job-0", "ops/job-1", "ops/job-2"]
    assert listed()[3:] == ["ops/db", "shop/pay", "shop/cart"]
    assert listed("--entity", "shop/*") == ["shop/pay", "shop/cart"]
    assert listed("--entity", "shop/?ay") == ["shop/pay"]
    assert listed("--entity", "shop/cart") == ["shop/cart"]
    assert listed("--entity", "cart") == []
    assert listed("--severity", "high") == ["ops/db", "shop/cart"]
    assert listed("--severity", "critical") == ["ops/db"]
    assert listed("--state", "flapping") == ["shop/cart"]
    assert listed("--state", "closed") == ["shop/pay"]
    assert listed("--fingerprint", CLOSED[0]["fingerprint_id"][:10]) == ["shop/pay"]
    assert listed("--profile", "host") == []
    assert len(listed("--profile", "service")) == 6
    assert listed("--until", "2026-03-01T12:03:00Z") == ["shop/pay", "shop/cart"]
    assert listed("--since", "2026-03-01T12:03:00Z", "--severity", "high", "--entity", "ops/*") == ["ops/db"]


@pytest.mark.usefixtures("history")
def test_pages_follow_each_other_without_gap_or_repetition() -> None:
    seen: list[str] = []
    after: list[str] = []
    for _ in range(3):
        found = json.loads(asked("list", "--json", "--limit", "2", *after))
        seen += [one["incident_id"] for one in found["incidents"]]
        after = ["--after", found["after"]] if found["after"] else []
    assert after == []
    assert sorted(seen) == sorted({event["incident_id"] for event in ALL})
    assert "there are more: --after 2026-03-01T12:0" in asked("list", "--limit", "2")


def test_a_page_stays_where_it_was_when_others_open_meanwhile(history: str) -> None:
    engine = open_engine(history, read_only=True)
    with engine.begin() as connection:
        before = page(connection, Wanted(), 6)
        place = place_of(before[1])
        assert [one for rows in pages(connection, Wanted(), 2) for one in rows] == before
    engine.dispose()
    written(history, [lives("h", entity="newest", first=90)])
    engine = open_engine(history, read_only=True)
    with engine.begin() as connection:
        assert page(connection, Wanted(), 4, place) == before[2:]
    engine.dispose()


@pytest.mark.usefixtures("history")
def test_a_table_says_when_how_bad_who_how_long_and_why() -> None:
    text = asked("list", "--state", "flapping")
    assert "2026-03-01T12:00:50Z" in text
    assert "flapping" in text
    assert "high" in text
    assert FLAPPING[-1]["reason"][:40] in text
    assert id_of(FLAPPING)[:12] in text
    assert CLOSED[0]["reason"][:40] in asked("list", "--state", "closed")  # and not that all is well now
    assert "no incident is like that" in asked("list", "--entity", "nobody")


@pytest.mark.usefixtures("history")
def test_a_whole_life_is_shown_by_as_much_of_the_id_as_it_takes() -> None:
    text = asked("show", id_of(FLAPPING)[:12])
    for event in FLAPPING:
        assert event["type"] in text
    assert "shop/cart (service)" in text
    assert "1 of 1 anomalous windows" in text
    assert "latency_p99_ms up 70%" in text
    shown = json.loads(asked("show", id_of(FLAPPING), "--json"))
    assert shown["reopenings"] == 2
    assert [event["sequence"] for event in shown["events"]] == list(range(len(FLAPPING)))
    assert shown["events"][0]["time"] == "2026-03-01T12:00:50.000000Z"
    assert shown["events"][-1]["reason"] == FLAPPING[-1]["reason"]
    with pytest.raises(Failure, match="no incident 00ff00"):
        asked("show", "00ff00")


@pytest.mark.usefixtures("history")
def test_exports_hold_what_the_list_shows(tmp_path: Path) -> None:
    for name in ("out.csv", "out.ndjson", "out.parquet"):
        asked("export", str(tmp_path / name), "--entity", "shop/*")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["entity"] for row in rows] == ["shop/pay", "shop/cart"]
    assert rows[1]["opened_at"] == "2026-03-01T12:00:50.000000Z"
    assert json.loads(rows[1]["contributions"])[0]["metric"] == "latency_p99_ms"
    lines: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert [one["incident_id"] for one in lines] == [row["incident_id"] for row in rows]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column("state").to_pylist() == ["closed", "flapping"]
    assert str(table.schema.field("opened_at").type) == "timestamp[us, tz=UTC]"


@pytest.mark.usefixtures("history")
def test_events_can_be_exported_one_by_one(tmp_path: Path) -> None:
    said = json.loads(asked("export", str(tmp_path / "events.parquet"), "--events", "--json"))
    assert said["rows"] == len(ALL)
    table = pq.read_table(tmp_path / "events.parquet")
    assert sorted(table.column("id").to_pylist()) == sorted(event["id"] for event in ALL)
    assert table.column("rule").to_pylist()[0].keys() == {"name", "have", "need"}


@pytest.mark.usefixtures("history")
def test_wrong_use_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    for arguments, words in (
        (["list", "--severity", "dire"], "low, medium, high, critical"),
        (["list", "--state", "gone"], "open, flapping"),
        (["list", "--since", "yesterday"], "--since yesterday"),
        (["list", "--until", "soon"], "--until soon"),
        (["list", "--since", "2026-03-02T00:00Z", "--until", "2026-03-01T00:00Z"], "behind"),
        (["list", "--after", "here"], "time/id"),
        (["export", str(tmp_path / "out.txt")], "must be one of .csv .parquet"),
    ):
        with pytest.raises(WrongUse, match=words):
            asked(*arguments)
    assert list(tmp_path.glob("out*")) == []


def test_without_a_history_it_says_which_worker_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTLINE_HISTORY__URL", f"sqlite:///{tmp_path}/history.db")
    with pytest.raises(Failure, match="faultline worker history"):
        asked("list")
    assert not (tmp_path / "history.db").exists()


def test_a_database_without_our_tables_is_told_from_an_empty_history(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE other (x INTEGER)")
    engine.dispose()
    monkeypatch.setenv("FAULTLINE_HISTORY__URL", url)
    with pytest.raises(Failure, match="holds no history"):
        asked("list")
    written(url, [])
    assert "no incident is like that" in asked("list")
