"""The plan of topics: what CONTRACTS asks of each."""

from __future__ import annotations

from workers.runtime.deadletters import MARGIN
from workers.settings import load_settings
from workers.topics import MESSAGE_BYTES, TopicSpec, state_topic, topic_specs


def by_role(**environ: str) -> dict[str, TopicSpec]:
    return {spec.role: spec for spec in topic_specs(load_settings(environ))}


def test_topics_that_follow_one_partition_have_the_same_number_of_them() -> None:
    specs = by_role(FAULTLINE_TOPICS__PARTITIONS="7")
    together = {role for role, spec in specs.items() if spec.together}
    assert together >= {"events", "features", "scores", "anomalies", "incidents", "incident_state", "state.windows"}
    assert {specs[role].partitions for role in together} == {7}
    assert {specs[role].partitions for role in ("control", "groups", "state.groups", "state.source")} == {1}


def test_every_topic_is_stamped_by_the_broker() -> None:
    assert {spec.config["message.timestamp.type"] for spec in by_role().values()} == {"LogAppendTime"}


def test_latest_state_is_compacted_and_inputs_are_not() -> None:
    policies = {role: spec.config["cleanup.policy"] for role, spec in by_role().items()}
    compacted = {role for role, policy in policies.items() if policy == "compact"}
    states = {"state.windows", "state.scoring", "state.incidents", "state.groups", "state.source"}
    assert compacted == {"control", "incident_state", *states}


def test_retention_is_that_of_the_settings() -> None:
    specs = by_role(FAULTLINE_TOPICS__RETENTION_HOURS="10", FAULTLINE_TOPICS__RESULTS_HOURS="20")
    assert specs["events"].config["retention.ms"] == str(10 * 3_600_000)
    assert specs["incidents"].config["retention.ms"] == str(20 * 3_600_000)


def test_dead_letters_outlive_the_inputs_they_came_from() -> None:
    specs = by_role(FAULTLINE_TOPICS__RETENTION_HOURS="1000", FAULTLINE_TOPICS__RESULTS_HOURS="20")
    assert specs["deadletter"].config["retention.ms"] == specs["events"].config["retention.ms"]


def test_a_dead_letter_may_be_larger_than_any_input_by_its_headers() -> None:
    specs = by_role()
    assert int(specs["events"].config["max.message.bytes"]) == MESSAGE_BYTES
    assert int(specs["deadletter"].config["max.message.bytes"]) == MESSAGE_BYTES + MARGIN
    larger = {spec.role: spec for spec in topic_specs(load_settings({}), message_bytes=5 << 20)}
    assert int(larger["deadletter"].config["max.message.bytes"]) == (5 << 20) + (64 << 10)


def test_names_carry_the_namespace_and_every_raw_topic_is_there() -> None:
    settings = load_settings({"FAULTLINE_NAMESPACE": "eu", "FAULTLINE_TOPICS__RAW": "a,b"})
    names = [spec.name for spec in topic_specs(settings)]
    assert names[:3] == ["a", "b", "eu.telemetry.events.v1"]
    assert state_topic(settings, "windows") == "eu.faultline.state.windows.v1"
    assert len(names) == len(set(names))
