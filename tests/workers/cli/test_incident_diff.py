"""Incidents under other rules: which open, go, move, merge and split, and how many pages that saves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from schemas.records import encode
from tests.support.broker import Broker, Record
from tests.workers.incidents.given import NOON, PANE, run_of
from workers.cli.failures import Failure, WrongUse
from workers.cli.incident_changes import changes, summary
from workers.cli.incident_diff import rules_of
from workers.cli.incident_replay import Life, Replay, Score
from workers.cli.incidents import app
from workers.settings import IncidentsSettings, Settings

HASTY = IncidentsSettings(open_windows=1, open_of=1, resolve_windows=1, close_after_ms=0)


def lives(scores: Sequence[Score], rules: IncidentsSettings) -> list[Life]:
    replay = Replay(Settings(), rules)
    replay.take(scores)
    return replay.lives


def differing(marks: str, then: IncidentsSettings, now: IncidentsSettings) -> list[tuple[str, int, str]]:
    scores = run_of(marks)
    return [(one.kind, one.pages, one.how()) for one in changes(lives(scores, then), lives(scores, now))]


def hasty(**other: int) -> IncidentsSettings:
    return HASTY.model_copy(update=other)


def test_the_same_rules_change_nothing() -> None:
    assert [kind for kind, *_ in differing("..hhh.....hh..", HASTY, HASTY)] == ["same", "same"]


def test_stricter_rules_let_a_short_one_disappear_and_a_long_one_open_later() -> None:
    stricter = hasty(open_windows=2, open_of=2)
    assert differing("..h...hhhh...", HASTY, stricter) == [
        ("disappears", -1, ""),
        ("moves", 0, "opens 10 s later"),
    ]
    assert differing("..h...hhhh...", stricter, HASTY)[0] == ("opens", 1, "")


def test_a_longer_way_to_health_merges_two_into_one_and_back() -> None:
    patient = hasty(resolve_windows=3)
    found = differing("..hhh..hhh.....", HASTY, patient)
    assert [(kind, pages) for kind, pages, _ in found] == [("moves", 0), ("merges", -1)]
    assert found[1][2] == "part of the one that opened 2026-03-01T12:00:30Z"
    assert [kind for kind, *_ in differing("..hhh..hhh.....", patient, HASTY)] == ["moves", "splits"]


def test_a_grace_in_which_it_may_reopen_still_calls_twice() -> None:
    found = differing("..hhh..hhh.....", HASTY, hasty(close_after_ms=60_000))
    assert [(kind, pages) for kind, pages, _ in found] == [("moves", 1), ("merges", -1)]


def test_pages_add_up_whatever_the_changes_are() -> None:
    scores = [one for n in range(3) for one in run_of("..h..hhh..hh...h"[n:], entity=f"e{n}")]
    for then, now in ((HASTY, hasty(resolve_windows=2)), (hasty(open_windows=2, open_of=3), HASTY)):
        found = changes(lives(scores, then), lives(scores, now))
        told = summary(found)
        assert sum(one.pages for one in found) == told["pages_now"] - told["pages_then"]
        assert told["incidents_then"] == len(lives(scores, then))
        assert told["incidents_now"] == len(lives(scores, now))


def test_a_challenger_opens_nothing() -> None:
    assert lives(run_of("hhhh", role="challenger"), HASTY) == []


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "calmer.yaml"
    file.write_text("incidents: {open_windows: 4, open_of: 6}\n")
    return file


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["diff", "--quiet", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_file_of_rules_says_only_what_is_different(policy: Path) -> None:
    rules = rules_of(policy, IncidentsSettings(resolve_windows=9))
    assert (rules.open_windows, rules.open_of, rules.resolve_windows) == (4, 6, 9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("incidents: {open_window: 4}", "open_window is not a setting"),
        ("incidents: {open_windows: 9}", "open_windows .9. is above open_of"),
        ("incidents: {open_windows: many}", "open_windows"),
        ("windows: {lateness_ms: 4}", "windows cannot be replayed"),
        ("", "it says nothing"),
    ],
)
def test_a_wrong_file_of_rules_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(WrongUse, match=words):
        rules_of(file, IncidentsSettings())


def test_scores_in_lines_are_replayed_told_and_drawn(tmp_path: Path, policy: Path) -> None:
    marks = {"cart": "..hhh......", "pay": "...hhhhh...", "db": "..cccc....."}
    scores = [score for entity, one in marks.items() for score in run_of(one, entity=entity)]
    file, picture = tmp_path / "scores.ndjson", tmp_path / "diff.png"
    file.write_bytes(b"\n".join(encode("Score", scores)))
    told = json.loads(run(str(file), "--policy", str(policy), "--json", "--picture", str(picture)))
    assert (told["scores"], told["incidents_then"], told["incidents_now"]) == (len(scores), 3, 2)
    assert (told["disappears"], told["moves"], told["same"]) == (1, 1, 1)
    assert [one["entity"] for one in told["changes"] if one["change"] == "disappears"] == ["cart"]
    assert picture.read_bytes()[:4] == b"\x89PNG"
    text = run(str(file), "--policy", str(policy))
    assert "1 disappears, 1 moves, 1 stay; 1 page saved (3 then, 2 now)" in text
    assert "opens 10 s later" in text


def test_only_windows_of_the_time_asked_for_are_replayed(tmp_path: Path, policy: Path) -> None:
    file = tmp_path / "scores.ndjson"
    file.write_bytes(b"\n".join(encode("Score", run_of("hhhhh......hhhhh..."))))
    until = "2026-03-01T12:01:20Z"
    assert json.loads(run(str(file), "--policy", str(policy), "--to", until, "--json"))["incidents_then"] == 1
    with pytest.raises(Failure, match="no score lies in that time"):
        run(str(file), "--policy", str(policy), "--from", "2027-01-01T00:00Z")


def test_what_a_backtest_wrote_is_enough(tmp_path: Path, policy: Path) -> None:
    marks = {"db": "..hhh......", "web": "..hhhhh...."}
    rows = [(entity, at, mark) for entity, one in marks.items() for at, mark in enumerate(one)]
    blamed = [{"metric": "cpu_ratio", "share": 1.0, "direction": "up"}]
    table = pa.table(
        {
            "entity": [entity for entity, _, _ in rows],
            "timestamp": pa.array([NOON + at * PANE for _, at, _ in rows], pa.timestamp("us", "UTC")),
            "anomaly_score": [2.5 if mark == "h" else 0.1 for _, _, mark in rows],
            "severity": ["high" if mark == "h" else None for _, _, mark in rows],
            "contributions": [blamed if mark == "h" else None for _, _, mark in rows],
        }
    )
    pq.write_table(table, tmp_path / "scores.parquet")
    told = json.loads(run(str(tmp_path / "scores.parquet"), "--policy", str(policy), "--json"))
    assert (told["incidents_then"], told["incidents_now"], told["pages_saved"]) == (2, 1, 1)


def test_wrong_use_is_named(tmp_path: Path, policy: Path) -> None:
    for arguments, words in (
        ([], "--policy FILE, --model VERSION"),
        ([str(tmp_path / "none.parquet"), "--policy", str(policy)], "no such file"),
        ([str(policy), "--policy", str(policy)], "backtest --out"),
        (["--policy", str(policy), "--picture", "diff.jpg"], "name a .png file"),
        (["--policy", str(policy), "--from", "soon"], "--from soon"),
    ):
        with pytest.raises(WrongUse, match=words):
            run(*arguments)


@pytest.mark.integration
def test_scores_on_the_topic_are_replayed_partition_by_partition(
    kafka: Broker, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.create_topic(partitions=2)
    monkeypatch.setenv("FAULTLINE_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("FAULTLINE_TOPICS__SCORES", topic)
    for partition, (entity, marks) in enumerate({"cart": "..hhh......", "pay": "...hhhhh..."}.items()):
        values = encode("Score", run_of(marks, entity=entity, first=1 + 50_000 * partition))
        kafka.produce(topic, [Record(value, entity.encode(), partition=partition) for value in values])
    told = json.loads(run("--policy", str(policy), "--from", "2026-03-01T00:00Z", "--json"))
    assert (told["incidents_then"], told["incidents_now"], told["disappears"]) == (2, 1, 1)
    told = json.loads(run("--policy", str(policy), "--to", "2026-03-02T00:00Z", "--json"))
    assert (told["incidents_then"], told["incidents_now"]) == (1, 0)
