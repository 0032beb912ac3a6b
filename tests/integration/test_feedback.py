"""A false alarm, said by command to a running worker: held back, listed, undone, back again; and kill -9 in between."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from schemas.records import encode
from tests.support.broker import Broker, Record
from tests.support.installation import Installation, eventually, has_logged
from tests.support.process import Daemon
from tests.support.redis_server import RedisAt
from tests.workers.incidents.given import run_of, score
from workers.cli.judging import Desk
from workers.cli.period_export import export_periods
from workers.incidents.feedback import Verdict
from workers.incidents.policy import HOUR
from workers.incidents.scores import SEVERITIES
from workers.settings import load_settings

pytestmark = pytest.mark.integration

SCORES, INCIDENTS, STATES = "anomaly.scores.v1", "anomaly.incidents.v1", "anomaly.incidents.state.v1"
LOG = "faultline.state.incidents.v1"
QUICK = {
    "FAULTLINE_INCIDENTS__CLOSE_AFTER_MS": "60000",
    "FAULTLINE_WORKER__CHECKPOINT_INTERVAL_MS": "200",
    "FAULTLINE_INCIDENTS__FEEDBACK_RULES": "2",
}


class Story:
    """One installation of the incidents worker alone, fed with scores step by step."""

    def __init__(self, faultline: Installation, killed: bool) -> None:
        self.faultline, self.killed = faultline, killed
        self.worker = self._start()

    def _start(self) -> Daemon:
        worker = self.faultline.start("incidents")
        worker.wait_ready(partial(has_logged, worker, "loaded"), 120)
        return worker

    def feed(self, scores: Sequence[dict[str, Any]]) -> None:
        values = encode("Score", scores)
        records = [Record(value, str(one["entity"]).encode()) for value, one in zip(values, scores, strict=True)]
        self.faultline.kafka.produce(self.faultline.topic(SCORES), records)

    def perhaps_kill(self) -> None:
        if self.killed:
            self.worker.kill()
            self.worker = self._start()

    def types(self) -> list[str]:
        return [str(event["type"]) for event in self.faultline.values(INCIDENTS)]

    def await_types(self, *types: str) -> None:
        eventually(lambda: self.types() == list(types), 120, f"{types}; there are {self.types()}")

    def await_time(self, window: int) -> None:
        """Until the worker has told that event time is there: what came before is done."""
        there = str(score(window)["window_end"]).encode()
        eventually(
            lambda: any(there in dict(r.headers).values() for r in self.faultline.records(INCIDENTS)), 120, "time"
        )

    def await_rule(self, in_force: bool) -> None:
        """Until a rule is logged so: it holds, or does not, for every record that comes from now on."""
        eventually(lambda: self._rule() is not None and bool(self._rule()) == in_force, 120, f"in force: {in_force}")

    def _rule(self) -> object:
        logged = [r.value for r in self.faultline.records(LOG) if r.key and r.key.startswith(b"\xff") and r.value]
        return json.loads(logged[-1])[-1]["feedback"] or {} if logged else None

    @property
    def desk(self) -> Desk:
        """Where the commands say what they are told; in this process, a start of Python being most of a command."""
        return Desk(load_settings(self.faultline.settings), "ann")


def _tell(story: Story) -> None:
    """Trouble that opens an incident; a false alarm; the same again, held back; undone; the same still: it opens."""
    calm = partial(score, entity="calm")
    story.feed([*run_of("mmm..."), calm(20)])
    story.await_types("CREATE", "RESOLVE", "CLOSED")
    incident = str(story.faultline.values(INCIDENTS)[0]["incident_id"])
    desk = story.desk
    said, _ = desk.judge(Verdict.FALSE_ALARM, incident[:8], desk.now + 2 * HOUR, comment="backup")
    assert (said.id, said.feedback.severity) == (incident[:12], SEVERITIES.index("medium"))
    story.await_rule(in_force=True)
    story.perhaps_kill()
    story.feed(run_of("mmm", first=101))
    story.await_types("CREATE", "RESOLVE", "CLOSED", "SUPPRESS")
    story.perhaps_kill()
    story.feed(run_of("mmm", first=104))
    story.await_time(106)
    assert [one.state(desk.now) for one in desk.said()] == ["in force"]
    assert desk.undo(said.id).state(desk.now) == "undone"
    story.await_rule(in_force=False)
    story.perhaps_kill()
    story.feed([*run_of("m...", first=107), calm(130)])
    story.await_types("CREATE", "RESOLVE", "CLOSED", "SUPPRESS", "CREATE", "RESOLVE", "CLOSED")


@pytest.mark.timeout(600)
def test_what_is_called_a_false_alarm_is_held_back_until_undone_whatever_is_killed(
    kafka: Broker, redis_server: RedisAt, tmp_path: Path
) -> None:
    with (
        Installation(kafka, redis_server, partitions=1, settings=QUICK) as calm,
        Installation(kafka, redis_server, partitions=1, settings=QUICK) as killed,
        ThreadPoolExecutor(2) as pool,
    ):
        told = [pool.submit(lambda one, kill: _tell(Story(one, kill)), one, one is killed) for one in (calm, killed)]
        for one in told:
            one.result()
        events = calm.values(INCIDENTS)
        held, opened = events[3], events[4]
        assert held["incident_id"] == opened["incident_id"]
        assert (held["sequence"], opened["sequence"]) == (0, 1)
        assert (held["occurrence_count"], opened["occurrence_count"]) == (1, 2)
        rule = str(held["rule"]["name"])  # type: ignore[index]
        assert rule.startswith(f"feedback {str(events[0]['incident_id'])[:12]}: false alarm until 2026-03-01T14:")
        assert "called this a false alarm" in str(held["reason"])
        for topic in (INCIDENTS, STATES):
            shown = [[(r.key, r.value, r.headers) for r in one.records(topic)] for one in (calm, killed)]
            assert shown[0] == shown[1], topic
        _labels(calm, str(opened["incident_id"]), tmp_path)
        _bounded(calm)


def _labels(faultline: Installation, incident: str, folder: Path) -> None:
    """What was undone is no label; what was real is one."""
    local = load_settings(faultline.settings)
    Desk(local, "ann").judge(Verdict.REAL, incident)
    assert export_periods(local, "ann", folder / "periods.csv") == {"real": 1}
    rows = pd.read_csv(folder / "periods.csv")
    assert rows[["entity", "profile", "verdict", "label"]].values.tolist() == [["checkout", "service", "real", 1]]
    assert (rows["start"][0], rows["end"][0]) == ("2026-03-01T12:16:40.000000Z", "2026-03-01T12:17:50.000000Z")


def _bounded(faultline: Installation) -> None:
    """By command, as users meet it."""
    desk = Desk(load_settings(faultline.settings), "ann")
    desk.expect("pay-1*", desk.now + HOUR)
    desk.expect("pay-2*", desk.now + HOUR)
    refused = faultline.run("feedback", "add", "expected", "--entity", "pay-3*", "--for", "1h", timeout=180)
    assert refused.returncode == 1
    assert "2 rules are in force, and no more than 2 may be" in refused.stderr
    listed = json.loads(faultline.run("feedback", "list", "--json", timeout=180).stdout)
    assert [(one["entity"], one["state"]) for one in listed] == [
        ("checkout", "undone"),
        ("checkout", "label"),
        ("pay-1*", "in force"),
        ("pay-2*", "in force"),
    ]
