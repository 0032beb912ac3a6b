"""What a worker is taken through before the first record comes must reach what it will meet."""

from __future__ import annotations

from schemas.records import decode
from workers.cli.warming import made_up_scores, records_of, run_through
from workers.incidents.stage import build
from workers.settings import load_settings


def test_made_up_scores_open_and_close_incidents_and_are_all_understood() -> None:
    settings = load_settings({})
    records = records_of(made_up_scores("scores"), "scores")
    outputs = run_through(build(settings), records)
    values = [o.value for o in outputs if o.topic == settings.topics.incidents and o.key is not None]
    events, faults = decode("IncidentEvent", values)
    assert not faults
    lives = {(event["entity"], event["type"]) for event in events if event is not None}
    assert lives >= {(entity, kind) for entity in ("cart", "pay") for kind in ("CREATE", "RESOLVE")}
    scores, faults = decode("Score", records.values)
    assert not faults
    assert {score["is_anomaly"] for score in scores if score is not None} == {False, True}
