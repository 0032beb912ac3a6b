"""What rules take away is in nothing that intake writes, and everything else is as it was."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from schemas.events import encode_events, events_from_dicts, events_to_dicts
from tests.support.write_requests import request, series
from tests.workers.intake.otlp_making import metrics_request
from tests.workers.intake.test_intake_stage import CANONICAL, NOON, PLAIN, decoded, intake, outputs
from tests.workers.intake.test_machine_formats import TELEGRAF
from workers.intake.event_rows import labelled, labels_of
from workers.intake.redaction import Redaction
from workers.intake.stage import IntakeStage
from workers.settings import load_settings
from workers.settings_intake import RedactionRule
from workers.settings_sources import SettingsError

KEY = "0123456789abcdef"
MAIL = r"[\w.]+@[\w.]+"


def redacting(*rules: dict[str, Any], key: str = KEY) -> IntakeStage:
    return intake(INTAKE__REDACT=orjson.dumps(rules).decode(), INTAKE__REDACT_KEY=key)


def events(values: list[Any], *rules: dict[str, Any], key: str = KEY) -> list[dict[str, Any]]:
    return decoded(outputs(values, redacting(*rules, key=key)))


def event(**attributes: str) -> dict[str, Any]:
    return {**CANONICAL, "attributes": attributes}


def test_attributes_are_dropped_replaced_and_hashed_by_their_names() -> None:
    (found,) = events(
        [event(user="ann", token="t-1", api_token="t-2", path="/pay")],
        {"names": ["*token"], "action": "drop"},
        {"names": ["user"], "action": "hash"},
        {"names": ["path"], "text": "…"},
    )
    hashed = found["attributes"].pop("user")
    assert found["attributes"] == {"path": "…"}
    assert len(hashed) == 16
    assert set(hashed) <= set("0123456789abcdef")


def test_a_pattern_of_texts_changes_what_it_finds_wherever_it_stands() -> None:
    values = [event(message="mail from ann@example.com to bob@example.com", other="none")]
    (replaced,) = events(values, {"values": MAIL})
    assert replaced["attributes"]["message"] == "mail from [redacted] to [redacted]"
    (hashed,) = events(values, {"values": MAIL, "action": "hash"})
    first, second = hashed["attributes"]["message"].removeprefix("mail from ").split(" to ")
    assert first != second
    (dropped,) = events(values, {"values": MAIL, "action": "drop"})
    assert dropped["attributes"] == {"other": "none"}


def test_equal_texts_have_equal_hashes_under_one_key_and_others_under_another() -> None:
    rule = {"names": ["user"], "action": "hash"}
    values = [event(user=name) for name in ("ann", "bob", "ann")]
    one, two, three = (found["attributes"]["user"] for found in events(values, rule))
    assert one == three != two
    assert events(values, rule, key="another key that is long")[0]["attributes"]["user"] != one


def test_labels_in_the_names_of_metrics_are_texts_like_others() -> None:
    labels = {"cpu": "cpu0", "host": "web-1", "user": "ann,lee", "path": "/home/ann"}
    (found,) = events(
        [TELEGRAF | {"tags": labels, "fields": {"usage": 1.5}}],
        {"names": ["user"], "action": "drop"},
        {"names": ["path"], "values": "ann", "text": "x"},
    )
    assert found["metrics"] == {"cpu_usage{cpu=cpu0,path=/home/x}": 1.5}
    value = request(
        [series({"__name__": "logins_total", "job": "shop", "user": "ann@example.com"}, (1.0, NOON // 1000))]
    )
    (found,) = events([value], {"values": MAIL})
    assert list(found["metrics"]) == ["logins_total{user=[redacted]}"]


def otlp_point(**labels: str) -> bytes:
    request, metrics = metrics_request()
    point = metrics.add(name="took").gauge.data_points.add(time_unix_nano=NOON * 1_000, as_double=1.0)
    for key, text in labels.items():
        point.attributes.add(key=key).value.string_value = text
    return bytes(request.SerializeToString())


def names_of(found: list[dict[str, Any]]) -> list[str]:
    return [name for one in found for name in one["metrics"]]


def test_labels_of_a_name_that_is_cut_are_redacted_before() -> None:
    mail = "ann@example.com"
    values = [otlp_point(a="x" * 400, user=mail, z=ending * 200) for ending in "zy"]
    found, other = names_of(events(values, {"values": MAIL}))
    assert found.startswith("took{a=" + "x" * 400 + ",user=[redacted],z=zz")
    assert len(found.encode()) <= 480
    assert found != other
    (hashed,) = names_of(events([otlp_point(user=mail * 50)], {"names": ["user"], "action": "hash"}))
    assert len(hashed) == len("took{user=}") + 16
    assert len(set(names_of(events([otlp_point(a="x" * 600, user=user) for user in "ab"])))) == 2


def test_a_text_that_the_bound_cuts_in_two_is_redacted_as_a_whole() -> None:
    said = ExportLogsServiceRequest()
    group = said.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    record = group.scope_logs.add().log_records.add(time_unix_nano=NOON * 1_000)
    for body in ("it was ann@example.com", ["ann@example.com"]):
        if isinstance(body, str):
            record.body.string_value = body
        else:
            record.body.array_value.values.add().string_value = body[0]
        rules = orjson.dumps([{"values": r"\w+@example\.com"}]).decode()
        one = intake(INTAKE__REDACT=rules, INTAKE__MESSAGE_BYTES="13")
        (found,) = decoded(outputs([said.SerializeToString()], one))
        assert "ann" not in found["attributes"]["message"]
        assert len(found["attributes"]["message"]) <= 13


def test_entities_are_redacted_and_go_where_the_new_key_belongs() -> None:
    values = [{**PLAIN, "service": f"for-{name}@example.com"} for name in ("ann", "bob")]
    found = outputs(values, redacting({"values": MAIL, "action": "hash"}))
    assert {event["attributes"]["service"] == event["entity"] for event in decoded(found)} == {True}
    assert len({output.key for output in found}) == 2
    (blank,) = events([event(a="b")], {"names": ["entity"], "action": "drop"})
    assert blank["entity"] == "[redacted]"


@pytest.mark.parametrize("field", ["entity", "source", "id"])
def test_what_must_be_there_and_is_taken_away_does_not_borrow_another_rules_text(field: str) -> None:
    value = {**CANONICAL, "source": "web-1", "id": "a" * 8}
    mail = {"names": ["mail"], "values": MAIL, "text": "[mail]"}
    for rule in ({"names": [field], "action": "drop"}, {"names": [field], "text": ""}):
        (found,) = events([value], mail, rule)
        assert found[field] == "[redacted]"


def test_without_rules_nothing_is_changed_and_rules_are_part_of_the_configuration() -> None:
    assert decoded(outputs([CANONICAL]))[0]["attributes"] == CANONICAL["attributes"]
    rule = {"names": ["a"], "action": "hash"}
    hashes = {intake().config_hash, redacting(rule).config_hash, redacting(rule, key="b" * 16).config_hash}
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "needs names"),
        ({"values": "("}, "no regular expression"),
        ({"values": "a*"}, "fits the empty text"),
        ({"names": ["a"], "action": "mask"}, "action"),
        ({"names": ["a"], "action": "hash"}, "FAULTLINE_INTAKE__REDACT_KEY"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_at_the_start(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings({"FAULTLINE_INTAKE__REDACT": orjson.dumps([rule]).decode()})


def test_the_key_is_not_shown() -> None:
    settings = load_settings({"FAULTLINE_INTAKE__REDACT_KEY": KEY})
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="={}\\,"), min_size=1, max_size=6)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(NAMES, st.dictionaries(NAMES, TEXTS, min_size=1, max_size=4))
def test_labels_are_read_back_whatever_they_hold(name: str, labels: dict[str, str]) -> None:
    assert labels_of(labelled(name, labels)) == (name, sorted(labels.items()))


SECRET = "s3cret"
EVENTS = st.lists(
    st.builds(
        lambda attributes, labels, entity: {
            "timestamp": NOON,
            "entity": entity,
            "kind": "log",
            "source": entity,
            "attributes": attributes,
            "metrics": {labelled("m", labels): 1.0},
            "distributions": [{"name": labelled("d", labels), "bounds": [], "counts": [1]}],
        },
        st.dictionaries(NAMES, st.sampled_from([SECRET, f"a{SECRET}b", "plain"]), max_size=4),
        st.dictionaries(NAMES, st.sampled_from([SECRET, f"a,{SECRET}", "plain"]), max_size=3),
        st.sampled_from([SECRET, "shop", f"shop/{SECRET}"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.sampled_from(["drop", "replace", "hash"]))
def test_what_is_redacted_is_nowhere_in_what_is_written(some: list[dict[str, Any]], action: Any) -> None:
    before = events_from_dicts(some)
    after = Redaction([RedactionRule(values=SECRET, action=action)], KEY).applied(before)
    values = encode_events(after)
    assert len(values) == len(some)
    assert all(SECRET.encode() not in value for value in values)
    for old, new in zip(events_to_dicts(before), events_to_dicts(after), strict=True):
        kept = {name: text for name, text in old["attributes"].items() if SECRET not in text}
        assert kept.items() <= new["attributes"].items()
