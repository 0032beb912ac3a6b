"""What each kind of target is sent, and that no name can break out of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.workers.notify.given import MINUTE, NOON, notice, target
from workers.notify.carriers.files import FileCarrier, file_name
from workers.notify.kinds import KINDS, kind_of
from workers.notify.kinds.kind import Digest, Kind, Message, Paced
from workers.notify.kinds.webhook import signature
from workers.notify.page import Page
from workers.settings_notify import ServiceSettings

NOW = NOON + 30 * MINUTE
SERVICES = [ServiceSettings(entities="check*", tier="gold", owner="pay", runbook="https://r/x", labels={"team": "a"})]
EVIL = 'x"}],"a":<!channel>&<b>*_`~{{ .Labels }}\n\x00\u202e</script>' + "y" * 5000


def paced(name: str) -> Paced:
    found = kind(name)
    assert isinstance(found, Paced)
    return found


def kind(name: str, **more: Any) -> Kind:
    needs = {
        "alertmanager": {"url": "http://am:9093/"},
        "pagerduty": {"secret": "rk"},
        "slack": {"secret": "http://slack/x"},
        "webhook": {"url": "http://hook/", "secret": "s3cret"},
        "http": {"url": "http://hook/"},
        "files": {"url": "/alerts"},
        "kafka": {"url": "alerts"},
    }
    return kind_of(target(name, services=SERVICES, **(needs[name] | more)))


def trigger(**fields: Any) -> Page:
    return Page("trigger", notice(**fields), NOON + MINUTE)


def resolve(**fields: Any) -> Page:
    return Page("resolve", notice("RESOLVE", 9, **fields), NOON + MINUTE)


def body(message: Message) -> Any:
    return json.loads(message.body)


def test_alertmanager_gets_labels_by_which_the_incident_is_told_apart() -> None:
    message = kind("alertmanager", labels={"cluster": "eu"}).message([trigger()], NOW)
    [alert] = body(message)
    assert message.url == "http://am:9093/api/v2/alerts"
    assert alert["labels"] == {
        "alertname": "FaultlineIncident",
        "entity": "checkout",
        "fingerprint": notice().fingerprint,
        "severity": "high",
        "tier": "gold",
        "owner": "pay",
        "team": "a",
        "cluster": "eu",
    }
    assert alert["startsAt"] == "2026-03-01T12:01:00.000000Z"
    assert alert["endsAt"] > "2026-03-01T12:30:00"
    assert alert["annotations"]["runbook_url"] == "https://r/x"
    assert alert["annotations"]["incident_id"] == notice().key


def test_alertmanager_is_told_in_one_request_that_the_old_severity_is_over() -> None:
    page = Page("update", notice("ESCALATE", 5, "critical"), NOON + 5 * MINUTE, "high", NOON + MINUTE)
    old, new = body(kind("alertmanager").message([page], NOW))
    assert (old["labels"]["severity"], old["endsAt"]) == ("high", "2026-03-01T12:05:00.000000Z")
    assert (new["labels"]["severity"], new["startsAt"]) == ("critical", "2026-03-01T12:05:00.000000Z")
    assert new["endsAt"] > old["endsAt"]


def test_what_is_over_is_so_for_an_alertmanager_whose_clock_is_behind() -> None:
    [alert] = body(kind("alertmanager").message([resolve()], NOON))
    assert alert["startsAt"] == alert["endsAt"] == "2026-03-01T12:00:00.000000Z"


def test_pagerduty_gets_trigger_and_resolve_under_one_key() -> None:
    event = body(kind("pagerduty").message([trigger()], NOW))
    assert (event["event_action"], event["dedup_key"], event["routing_key"]) == ("trigger", notice().key, "rk")
    assert (event["payload"]["severity"], event["payload"]["source"]) == ("error", "checkout")
    assert event["payload"]["custom_details"]["owner"] == "pay"
    assert event["links"] == [{"href": "https://r/x", "text": "Runbook"}]
    over = body(kind("pagerduty").message([resolve()], NOW))
    assert over == {"routing_key": "rk", "event_action": "resolve", "dedup_key": notice().key}


@pytest.mark.parametrize(
    ("ours", "theirs"), [("low", "info"), ("medium", "warning"), ("high", "error"), ("critical", "critical")]
)
def test_pagerduty_severities(ours: str, theirs: str) -> None:
    event = body(kind("pagerduty").message([trigger(severity=ours)], NOW))
    assert event["payload"]["severity"] == theirs


def test_slack_gets_a_sentence_and_what_is_known() -> None:
    message = kind("slack").message([trigger()], NOW)
    sent = body(message)
    assert message.url == "http://slack/x"
    assert "HIGH: checkout" in sent["blocks"][0]["text"]["text"]
    assert "2.3 s" in sent["blocks"][1]["text"]["text"]
    assert "<https://r/x|runbook>" in sent["blocks"][2]["elements"][0]["text"]


def test_a_webhook_can_verify_who_sent_what_and_when() -> None:
    message = kind("webhook").message([trigger()], NOW)
    assert message.headers is not None
    timestamp = message.headers["X-Faultline-Timestamp"]
    assert timestamp == str(NOW // 1_000_000)
    assert message.headers["X-Faultline-Signature"] == signature("s3cret", timestamp, message.body)
    assert signature("other", timestamp, message.body) != signature("s3cret", timestamp, message.body)
    assert (body(message)["type"], body(message)["dedup_key"]) == ("trigger", notice().key)
    assert message.id == kind("webhook").message([trigger()], NOW + MINUTE).id


@pytest.mark.parametrize("name", ["http", "files", "kafka"])
def test_the_alerts_have_exactly_these_fields(name: str) -> None:
    one, there = notice(), kind(name)
    assert body(there.message([trigger()], NOW)) == {
        "alert_type": "anomaly_detected",
        "service": "checkout",
        "timestamp": "2026-03-01T12:01:00.000000Z",
        "overall_severity": "high",
        "anomaly_count": 1,
        "anomalies": [
            {
                "type": "deviation",
                "severity": "high",
                "confidence_score": one.confidence,
                "description": one.reason,
                "metadata": {
                    "fingerprint_id": f"anomaly_{one.fingerprint}",
                    "incident_id": f"incident_{one.key}",
                    "occurrence_count": 1,
                },
            }
        ],
    }
    assert body(there.message([resolve()], NOW)) == {
        "alert_type": "incident_resolved",
        "service": "checkout",
        "incident_id": f"incident_{one.key}",
        "fingerprint_id": f"anomaly_{one.fingerprint}",
        "resolution_details": {"final_severity": "high", "total_occurrences": 3, "incident_duration_minutes": 1},
    }


def test_a_file_is_whole_and_the_same_page_is_the_same_file(tmp_path: Any) -> None:
    message = kind("files", url=str(tmp_path / "new")).message([trigger()], NOW)
    carrier = FileCarrier(str(tmp_path / "new"))
    carrier.carry(message)
    carrier.carry(message)
    [file] = (tmp_path / "new").iterdir()
    assert json.loads(file.read_text()) == body(message)
    assert file.name == file_name(message) == f"2026-03-01T120100.000000Z-{message.id}.json"


def test_nothing_that_others_chose_is_part_of_a_file_name() -> None:
    name = file_name(Message("../../etc/x", b"", NOON))
    assert "/" not in name
    assert "etc" not in name


@pytest.mark.parametrize("name", KINDS)
def test_a_name_that_tries_to_break_out_is_a_name(name: str) -> None:
    there = kind(name)
    for page in (trigger(entity=EVIL), resolve(entity=EVIL)):
        sent: Any = json.loads(there.message([page], NOW).body)  # one JSON document, whatever it holds
        if name == "alertmanager":
            assert sent[0]["labels"]["entity"] == EVIL
            assert set(sent[0]) == {"labels", "annotations", "startsAt", "endsAt"}
        if name in ("http", "files", "kafka"):
            assert sent["service"] == EVIL


def test_no_name_calls_a_slack_channel_or_makes_a_link() -> None:
    for message in (
        kind("slack").message([trigger(entity=EVIL)], NOW),
        paced("slack").digest([trigger(entity=EVIL)], NOW),
    ):
        sent = body(message)
        texts = [sent["text"], *(block["text"]["text"] for block in sent["blocks"][1:2])]
        for text in texts:
            assert "<" not in text
            assert "!channel&gt;" in text
            assert len(text) <= 3000
        header = sent["blocks"][0]["text"]
        assert header["type"] == "plain_text"
        assert len(header["text"]) <= 150
        assert all(block["text"]["verbatim"] for block in sent["blocks"] if block["type"] == "section")


def test_a_digest_counts_by_severity_and_names_the_worst_first() -> None:
    pages = [trigger(entity=f"e{n}", severity="low") for n in range(7)]
    pages += [trigger(entity="bad", severity="critical"), resolve(entity="fine")]
    digest = Digest.of(pages)
    assert (digest.by_severity, digest.over, digest.severity) == ({"critical": 1, "low": 7}, 1, "critical")
    assert digest.text == "9 more: 1 critical, 7 low, 1 over; bad, e0, e1, e2, e3 and 3 others"
    for name in ("slack", "pagerduty", "webhook"):
        assert digest.text in paced(name).digest(pages, NOW).body.decode()


def test_a_secret_is_in_no_message_but_where_its_kind_sends_it() -> None:
    assert b"s3cret" not in kind("webhook").message([trigger()], NOW).body
    assert b"slack" not in kind("slack").message([trigger()], NOW).body


def test_kinds_for_machines_have_no_digest() -> None:
    names = ("alertmanager", "pagerduty", "slack", "webhook", "http", "files", "kafka")
    assert [name for name in names if isinstance(kind(name), Paced)] == ["pagerduty", "slack", "webhook"]
