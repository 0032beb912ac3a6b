"""What the incidents worker writes where, and what it does with scores that are no good."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.records import decode, encode
from schemas.times import format_time, parse_time
from tests.contract.stage_contract import assert_rebuild_is_exact, run
from tests.workers.incidents.given import (
    NOON,
    PANE,
    SECOND,
    TOPICS,
    events,
    json_of,
    outputs_of,
    records,
    run_of,
    score,
    stage,
    story,
)
from workers.incidents.policy import HOUR, MINUTE, Policy
from workers.incidents.stage import build
from workers.progress import PROGRESS_HEADER
from workers.runtime.records import Chunk, Output
from workers.runtime.stage import NO_WATERMARK, RebuildPoint
from workers.settings import IncidentsSettings, load_settings

SHORT = Policy(close_after=60 * SECOND, continue_every=HOUR)


def other(window: int, entity: str = "somebody else") -> dict[str, Any]:
    return score(window, entity=entity)


def of(topic: str, outputs: list[Output]) -> list[Output]:
    return [output for output in outputs if output.topic == topic]


def incident_outputs(outputs: list[Output]) -> list[Output]:
    return [output for output in of(TOPICS.incidents, outputs) if output.key is not None]


def chunks(scores: list[Any], policy: Policy = SHORT) -> list[Chunk]:
    one = stage(policy)
    return list(one.step(one.start(3, NO_WATERMARK, []), records(scores)))


def counted(scores: list[Any], policy: Policy = SHORT) -> dict[str, int]:
    total: dict[str, int] = {}
    for chunk in chunks(scores, policy):
        for name, count in chunk.counts.items():
            total[name] = total.get(name, 0) + count
    return {name: count for name, count in total.items() if count}


def test_an_incident_event_is_a_cloud_event_in_binary_mode_keyed_by_its_entity() -> None:
    (output,) = incident_outputs(outputs_of(run_of("mmm", entity="prod/shop/Käse"), SHORT))
    event = json_of(output)
    assert output.key == "prod/shop/Käse".encode()
    assert output.partition is None, "to the partition that the scores came from"
    assert dict(output.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": event["id"].encode(),
        "ce_source": b"/faultline/incidents",
        "ce_type": b"faultline.incident.create",
        "ce_time": event["time"].encode(),
        "ce_subject": "prod/shop/Käse".encode(),
        "content-type": b"application/json",
    }
    assert event["time"] == "2026-03-01T12:00:30.000000Z"
    assert event["contributions"][0]["metric"] == "latency_p99_ms"


def test_in_avro_the_events_carry_their_content_type_and_decode_to_the_same() -> None:
    in_avro = stage(SHORT, "avro")
    scores = records(run_of("mmm..."), form="avro")
    outputs = [o for chunk in in_avro.step(in_avro.start(3, NO_WATERMARK, []), scores) for o in chunk.outputs]
    assert {dict(o.headers)["content-type"] for o in incident_outputs(outputs)} == {b"application/avro"}
    assert events(outputs) == events(outputs_of(run_of("mmm..."), SHORT))


def test_the_state_topic_holds_the_latest_state_by_incident_and_a_tombstone_in_the_end() -> None:
    outputs = outputs_of([*run_of("mmm..."), other(12)], SHORT)
    states = of(TOPICS.states, outputs)
    assert [None if o.value is None else json_of(o)["state"] for o in states] == ["open", "resolved", "closed", None]
    (key,) = {o.key for o in states}
    assert key == events(outputs)[0]["incident_id"].encode()
    first = json_of(states[0])
    assert {k: v for k, v in first.items() if k != "state"} == json_of(incident_outputs(outputs)[0])


def test_flapping_is_told_as_the_state() -> None:
    states = of(TOPICS.states, outputs_of(run_of("mmm..." * 4), SHORT))
    assert json_of(states[-1])["state"] == "flapping"


def test_progress_is_told_once_in_ten_seconds_of_watermark_and_before_the_events_of_that_time() -> None:
    outputs = of(TOPICS.incidents, outputs_of([*run_of("mmm"), other(3, "b"), other(3, "c"), other(40)], SHORT))
    told = [(o.key, int(dict(o.headers)[PROGRESS_HEADER])) for o in outputs if o.key is None]
    assert told == [(None, NOON + PANE * n) for n in (1, 2, 3, 40)]
    assert [o.key for o in outputs] == [None, None, None, b"checkout", None]
    assert [parse_time(json_of(o)["time"]) for o in outputs if o.key is None] == [at for _, at in told]


def test_what_time_closes_closes_at_the_first_record_that_comes_so_far() -> None:
    names = [f"svc-{n:02}" for n in range(25)]
    scores = [s for name in names for s in run_of("c", entity=name)]
    scores += [s for w in (2, 3, 4) for name in names for s in [score(w, entity=name)]]
    late = [other(100), other(101), other(102)]
    per_record = []
    one = stage(SHORT)
    state = one.start(3, NO_WATERMARK, [])
    batch = records([*scores, *late])
    for at in range(len(batch)):
        out = [o for chunk in one.step(state, batch.slice(at, at + 1)) for o in chunk.outputs]
        per_record.append([e["entity"] for e in events(out) if e["type"] == "CLOSED"])
    assert [len(closed) for closed in per_record[-3:]] == [25, 0, 0]
    assert sorted(name for closed in per_record for name in closed) == names


def test_a_score_whose_window_is_not_above_the_last_one_of_its_entity_is_skipped_and_counted() -> None:
    again = [*run_of("mm"), score(2, "medium"), score(1, "critical")]
    assert story(again, SHORT) == []
    assert counted(again) == {"processed": 2, "skipped_late": 2}


def test_old_scores_again_do_not_reopen_what_has_closed() -> None:
    once = [*run_of("mmm..."), other(12)]
    assert story([*once, *run_of("mmm..."), other(13)], SHORT) == ["CREATE", "RESOLVE", "CLOSED"]


def test_a_score_far_behind_the_watermark_is_late_for_an_entity_never_heard_of_too() -> None:
    assert counted([other(48 * 360 + 10), score(5, "critical")]) == {"processed": 1, "skipped_late": 1}


def test_events_of_one_moment_all_count_in_the_event_profile() -> None:
    same = [score(5, "medium", profile="event", id=f"{n:032x}") for n in range(3)]
    assert story(same, SHORT) == ["CREATE"]
    assert counted([score(5, "medium", id=f"{n:032x}") for n in range(3)])["skipped_late"] == 2


def test_a_challengers_scores_are_skipped_and_counted() -> None:
    assert counted(run_of("ccc", role="challenger")) == {"skipped_role": 3}


@pytest.mark.parametrize("bad", [None, b"", b"{", b"[]", b"\xff\xfe", b'{"entity": "a"}', b"\xc3\x01short"])
def test_what_is_no_score_is_a_dead_letter_and_leaves_its_neighbours_alone(bad: bytes | None) -> None:
    scores = [*run_of("mm"), bad, *run_of("m", first=3)]
    (chunk,) = chunks(scores)
    assert [letter.index for letter in chunk.dead] == [2]
    assert chunk.dead[0].message
    assert [e["type"] for e in events(chunk.outputs)] == ["CREATE"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"entity": 7},
        {"is_anomaly": "no"},
        {"anomaly_score": None},
        {"model": {}},
        {"window_end": "yesterday"},
        {"window_start": "2026-03-01T13:00:00Z", "window_end": "2026-03-01T12:00:00Z"},
    ],
)
def test_a_wrong_field_of_a_clean_score_is_a_dead_letter_that_names_it(wrong: dict[str, Any]) -> None:
    fields = orjson.loads(encode("Score", [score(1)])[0]) | wrong
    value = orjson.dumps(fields)
    (chunk,) = chunks([value])
    assert [letter.index for letter in chunk.dead] == [0]
    assert next(iter(wrong)) in chunk.dead[0].message


def test_a_key_that_is_not_the_entity_is_a_dead_letter() -> None:
    batch = records(run_of("m"))
    batch.keys[0] = b"payments"
    one = stage(SHORT)
    (chunk,) = one.step(one.start(3, NO_WATERMARK, []), batch)
    assert [letter.error_class for letter in chunk.dead] == ["key_mismatch"]


def test_calm_entities_are_not_remembered_and_hold_no_rebuild_back() -> None:
    one = stage(SHORT)
    state = one.start(3, NO_WATERMARK, [])
    batch = records([score(w, entity=f"svc-{n}") for w in range(1, 20) for n in range(50)])
    for _ in one.step(state, batch):
        pass
    assert not state.entities
    assert one.rebuild_point(state) == RebuildPoint(int(batch.offsets[-1]) + 1, NOON + 19 * PANE)
    assert list(one.parts(state)) == ["head"]


def test_an_entity_is_forgotten_once_its_windows_are_clean_again() -> None:
    one = stage(SHORT)
    state = one.start(3, NO_WATERMARK, [])
    for _ in one.step(state, records(run_of("mm....."))):
        pass
    assert not state.entities


def test_the_rebuild_point_lies_at_most_ten_minutes_of_event_time_back() -> None:
    scores = run_of("mmm" + "m" * 200)
    for at in (50, 120, 203):
        point = assert_rebuild_is_exact(stage(SHORT), records(scores), at)
        assert point is not None
        assert NOON + at * PANE - point.watermark <= 10 * MINUTE + 2 * PANE


def test_the_log_of_an_entity_ends_with_a_tombstone_when_its_occurrences_are_too_old() -> None:
    day = 8_640
    scores = [*run_of("mmm..."), *(other(day * d) for d in (1, 2, 30, 89, 91, 92))]
    log = of(TOPICS.log, outputs_of(scores, SHORT))
    assert log[-1].value is None
    assert all(o.key == b"checkout" for o in log)


def test_logged_state_of_another_incarnation_of_the_topic_is_not_asked_for_when_there_is_none() -> None:
    one = stage(SHORT)
    state = one.start(3, NO_WATERMARK, [])
    assert one.rebuild_point(state) is None
    assert one.watermark(state) == NO_WATERMARK


def test_settings_become_the_policy_and_change_the_configuration_hash() -> None:
    settings = load_settings({})
    changed = load_settings({"FAULTLINE_INCIDENTS__OPEN_WINDOWS": "2", "FAULTLINE_NAMESPACE": "staging"})
    assert build(settings).config_hash == build(settings).config_hash
    assert build(settings).config_hash != build(changed).config_hash
    assert build(settings).state_topic == "faultline.state.incidents.v1"
    assert build(changed).state_topic == "staging.faultline.state.incidents.v1"
    assert Policy.of(changed.incidents).open_windows == 2
    with pytest.raises(ValueError, match="no incident would ever open"):
        IncidentsSettings(open_windows=6, open_of=5)


def test_the_defaults_of_policy_and_settings_are_the_same() -> None:
    assert Policy.of(IncidentsSettings()) == Policy()


def test_outputs_are_a_function_of_records_alone() -> None:
    scores = [*run_of("mmm...m.mm..s"), other(300)]
    first, again = (run(stage(SHORT), stage(SHORT).start(3, NO_WATERMARK, []), records(scores)) for _ in range(2))
    assert first.outputs == again.outputs
    shifted = run(stage(SHORT), stage(SHORT).start(3, NO_WATERMARK, []), records(scores, first_offset=7_000))
    visible = [o for o in shifted.outputs if o[1] != TOPICS.log]
    assert visible == [o for o in first.outputs if o[1] != TOPICS.log], "no offset may show in an output"


def test_the_decoded_event_has_every_field_of_the_contract() -> None:
    decoded, faults = decode("IncidentEvent", [incident_outputs(outputs_of(run_of("mmm"), SHORT))[0].value])
    assert not faults
    event: dict[str, Any] | None = decoded[0]
    assert event is not None
    assert event["incident_id"] != event["fingerprint_id"]
    assert len(event["id"]) == len(event["incident_id"]) == len(event["fingerprint_id"]) == 32
    assert format_time(event["opened_at"]) == "2026-03-01T12:00:30.000000Z"
    assert event["resolved_at"] is None
