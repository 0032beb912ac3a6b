"""Settings: what is given is taken, what is wrong is named with its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.knowledge import BY_NAME, Rule
from workers.knowing import knowledge_of
from workers.settings import Settings, load_settings
from workers.settings_sources import SettingsError, leaves, redact, variable


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ)
    return str(caught.value)


def test_without_any_variable_every_setting_has_its_default() -> None:
    assert load_settings({}) == Settings()


def test_variables_nest_and_are_converted() -> None:
    settings = load_settings(
        {
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": "a:9092,b:9092",
            "FAULTLINE_WORKER__COMMIT_INTERVAL_MS": "350",
            "FAULTLINE_WORKER__ACCEPT_COLD_STATE": "true",
            "FAULTLINE_REGISTRY__URL": "",
            "PATH": "/bin",
        }
    )
    assert settings.kafka.bootstrap_servers == "a:9092,b:9092"
    assert settings.worker.commit_interval_ms == 350
    assert settings.worker.accept_cold_state is True
    assert settings.registry.url == ""


@pytest.mark.parametrize("text", ["one,two", " one , two,", '["one", "two"]'])
def test_lists_are_written_with_commas_or_as_json(text: str) -> None:
    assert load_settings({"FAULTLINE_TOPICS__RAW": text}).topics.raw == ["one", "two"]


def test_librdkafka_options_pass_through_with_dots() -> None:
    settings = load_settings(
        {"FAULTLINE_KAFKA__OPTIONS__SECURITY_PROTOCOL": "SASL_SSL", "FAULTLINE_KAFKA__OPTIONS__SASL_MECHANISM": "PLAIN"}
    )
    assert settings.kafka.options == {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}


def test_options_that_exactly_once_depends_on_are_refused() -> None:
    message = refused({"FAULTLINE_KAFKA__OPTIONS__ENABLE_AUTO_COMMIT": "true"})
    assert "enable.auto.commit cannot be set here" in message


def test_a_secret_is_read_from_its_file_without_the_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2 \n")
    settings = load_settings({"FAULTLINE_KAFKA__OPTIONS__SASL_PASSWORD_FILE": str(tmp_path / "secret")})
    assert settings.kafka.options == {"sasl.password": "hunter2 "}


def test_a_secret_given_twice_or_unreadable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    twice = {"FAULTLINE_REDIS__URL": "redis://a", "FAULTLINE_REDIS__URL_FILE": str(tmp_path / "secret")}
    assert "FAULTLINE_REDIS__URL_FILE and FAULTLINE_REDIS__URL are both set" in refused(twice)
    assert "cannot be read" in refused({"FAULTLINE_REDIS__URL_FILE": str(tmp_path / "missing")})


def test_an_unknown_variable_is_refused_and_the_nearest_right_one_named() -> None:
    message = refused({"FAULTLINE_KAFKA__BOOTSTRAP_SERVER": "a:9092"})
    assert message == (
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVER is not a setting. Did you mean FAULTLINE_KAFKA__BOOTSTRAP_SERVERS?"
    )


def test_everything_that_is_wrong_is_named_at_once() -> None:
    message = refused(
        {
            "FAULTLINE_REDIS__URI": "x",
            "FAULTLINE_WORKER__COMMIT_INTERVAL_MS": "soon",
            "FAULTLINE_WORKER__DELIVERY": "at-most-once",
        }
    )
    unknown, choice, number = message.splitlines()
    assert unknown.startswith("FAULTLINE_REDIS__URI is not a setting. Did you mean FAULTLINE_REDIS__URL")
    assert number.startswith("FAULTLINE_WORKER__COMMIT_INTERVAL_MS='soon': Input should be a valid integer")
    assert "'exactly-once' or 'at-least-once'" in choice


def test_variables_that_kubernetes_makes_of_a_service_are_not_ours() -> None:
    links = {
        "FAULTLINE_PORT": "tcp://10.0.0.1:80",
        "FAULTLINE_SERVICE_HOST": "10.0.0.1",
        "FAULTLINE_API_SERVICE_PORT_HTTP": "80",
        "FAULTLINE_API_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(links) == Settings()


def test_a_yaml_file_is_overridden_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "faultline.yaml"
    file.write_text(
        "namespace: eu\n"
        "kafka:\n  bootstrap_servers: file:9092\n  options: {security.protocol: SSL, socket_keepalive_enable: true}\n"
        "worker: {commit_interval_ms: 300}\n"
    )
    settings = load_settings(
        {
            "FAULTLINE_CONFIG": str(file),
            "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": "env:9092",
            "FAULTLINE_KAFKA__OPTIONS__SECURITY_PROTOCOL": "PLAINTEXT",
        }
    )
    assert settings.namespace == "eu"
    assert settings.kafka.bootstrap_servers == "env:9092"
    assert settings.kafka.options == {"security.protocol": "PLAINTEXT", "socket.keepalive.enable": "true"}
    assert settings.worker.commit_interval_ms == 300


def test_mistakes_in_a_yaml_file_are_named_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "faultline.yaml"
    file.write_text("kafka: {bootstrap_server: a}\nredis: 5\nworker: {poll_records: many}\n")
    unknown, section, number = refused({"FAULTLINE_CONFIG": str(file)}).splitlines()
    assert unknown == f"{file}: kafka.bootstrap_server is not a setting. Did you mean kafka.bootstrap_servers?"
    assert section.startswith(f"{file}: redis is a section")
    assert number.startswith(f"{file}: worker.poll_records='many': Input should be a valid integer")


@pytest.mark.parametrize(("text", "complaint"), [(None, "cannot be read"), ("a: [", "not YAML"), ("- 1", "a mapping")])
def test_a_yaml_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, complaint: str) -> None:
    file = tmp_path / "faultline.yaml"
    if text is not None:
        file.write_text(text)
    assert complaint in refused({"FAULTLINE_CONFIG": str(file)})


def test_the_namespace_goes_before_default_names_only() -> None:
    settings = load_settings({"FAULTLINE_NAMESPACE": "staging", "FAULTLINE_TOPICS__SCORES": "my.scores"})
    assert settings.topics.raw == ["staging.telemetry.raw.v1"]
    assert settings.topics.events == "staging.telemetry.events.v1"
    assert settings.topics.state_prefix == "staging.faultline.state"
    assert settings.topics.scores == "my.scores"
    assert settings.topics.partitions == 12
    assert settings.prefix == "staging."


def test_a_default_name_given_explicitly_is_taken_verbatim() -> None:
    settings = load_settings({"FAULTLINE_NAMESPACE": "staging", "FAULTLINE_TOPICS__EVENTS": "telemetry.events.v1"})
    assert settings.topics.events == "telemetry.events.v1"


@pytest.mark.parametrize("namespace", ["staging.", ".x", "a b", "é"])
def test_a_namespace_that_no_topic_can_begin_with_is_refused(namespace: str) -> None:
    assert "FAULTLINE_NAMESPACE" in refused({"FAULTLINE_NAMESPACE": namespace})


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("FAULTLINE_KAFKA__BOOTSTRAP_SERVERS", "", "host:port"),
        ("FAULTLINE_KAFKA__BOOTSTRAP_SERVERS", "one:9092,two", "'two' is not host:port"),
        ("FAULTLINE_REDIS__URL", "", "redis://"),
        ("FAULTLINE_REDIS__URL", "localhost:6379", "redis://"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(variable: str, value: str, says: str) -> None:
    complaint = refused({variable: value})
    assert variable in complaint
    assert says in complaint


def test_settings_that_contradict_each_other_are_refused() -> None:
    static = {"FAULTLINE_WORKER__INSTANCE_ID": "pod-0", "FAULTLINE_KAFKA__GROUP_PROTOCOL": "consumer"}
    assert "group_protocol=classic" in refused(static)
    slow = {"FAULTLINE_WORKER__COMMIT_INTERVAL_MS": "20000"}
    assert "below worker.transaction_timeout_ms" in refused(slow)


@pytest.mark.parametrize("start", ["earliest", "latest", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00+01:00"])
def test_a_worker_starts_at_an_end_or_at_a_time(start: str) -> None:
    assert load_settings({"FAULTLINE_WORKER__START": start}).worker.start == start


@pytest.mark.parametrize("start", ["yesterday", "2026-03-01T00:00:00"])
def test_a_start_that_is_no_clear_time_is_refused(start: str) -> None:
    assert "FAULTLINE_WORKER__START" in refused({"FAULTLINE_WORKER__START": start})


def test_secrets_are_not_shown() -> None:
    shown = redact(
        (),
        {
            "kafka": {"options": {"sasl.password": "a", "ssl.key.pem": "b", "security.protocol": "SSL"}},
            "redis": {"url": "rediss://user:secret@host:6379/0"},
        },
    )
    assert shown == {
        "kafka": {"options": {"sasl.password": "***", "ssl.key.pem": "***", "security.protocol": "SSL"}},
        "redis": {"url": "rediss://user:***@host:6379/0"},
    }


def test_an_error_does_not_show_the_password_it_refuses() -> None:
    message = refused({"FAULTLINE_REDIS__TIMEOUT_MS": "redis://u:secret@h"})
    assert "secret" not in message
    assert "***" in message


def test_every_setting_can_be_given_by_a_variable_of_its_own() -> None:
    names = [variable("FAULTLINE_", path) for path, _ in leaves(Settings)]
    assert len(names) == len(set(names))
    assert "FAULTLINE_WINDOWS__LATENESS_MS" in names
    assert not [name for name in names if name.endswith("_FILE")]


def test_what_is_known_about_metrics_is_read_from_a_file_and_overrides_what_names_say(tmp_path: Path) -> None:
    file = tmp_path / "faultline.yaml"
    file.write_text(
        "scoring: {groups: {payments: 'pay-*'}}\n"
        "metrics:\n"
        "  - {metric: disk_used_ratio, direction: up, least: 0.05, valid: [0, 1]}\n"
        "  - {metric: errors, group: payments, direction: both}\n"
    )
    knowledge = knowledge_of(load_settings({"FAULTLINE_CONFIG": str(file)}))
    assert knowledge.rules[: len(BY_NAME)] == BY_NAME
    assert knowledge.rules[len(BY_NAME) :] == (
        Rule("disk_used_ratio", direction="up", least=0.05, valid=(0.0, 1.0)),
        Rule("errors", entity="pay-*", direction="both"),
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('{"metric": "cpu"}', "says nothing"),
        ('{"metric": "cpu", "direction": "sideways"}', "direction"),
        ('{"metric": "cpu", "least": -1}', "least"),
        ('{"metric": "cpu", "valid": [1, 0]}', "lowest and the highest"),
        ('{"metric": "cpu", "least": 1, "group": "payments"}', "no group 'payments'"),
        ('{"metric": "cpu", "least": 1, "entity": "a", "group": "b"}', "not both"),
        ('{"metric": "cpu", "lest": 1}', "lest"),
    ],
)
def test_knowledge_that_makes_no_sense_is_refused_by_its_field(entry: str, said: str) -> None:
    message = refused({"FAULTLINE_METRICS": f"[{entry}]"})
    assert "metrics" in message.lower()
    assert said in message


def test_names_that_others_gave_count_where_nothing_of_ours_says_otherwise(tmp_path: Path) -> None:
    theirs = {
        "VM_ENDPOINT": "https://vm.example.com",
        "VM_TIMEOUT": "3",
        "VM_MAX_RETRIES": "1",
        "MODELS_DIR": "/models",
    }
    more = {"ALERTS_DIR": "/alerts", "FINGERPRINT_DB": "/s.db", "OBSERVABILITY_URL": "http://o:1/x"}
    settings = load_settings({**theirs, **more})
    own = settings.victoriametrics
    assert (own.url, own.timeout_s, own.retries) == ("https://vm.example.com", 3.0, 1)
    assert (settings.registry.url, settings.score.alerts) == ("/models", "/alerts")
    assert (settings.score.state, settings.score.post_to) == ("/s.db", "http://o:1/x")
    config = tmp_path / "f.yaml"
    config.write_text("registry: {url: ./ours}\n")
    ours = {"FAULTLINE_CONFIG": str(config), "FAULTLINE_VICTORIAMETRICS__URL": "http://ours:8428"}
    settings = load_settings({**theirs, **more, **ours})
    assert (settings.registry.url, settings.victoriametrics.url) == ("./ours", "http://ours:8428")


def test_what_is_wrong_with_them_is_told_by_the_name_they_were_given_by() -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({"VM_ENDPOINT": "http://me:hush@vm:8428/?apikey=hush2", "VM_TIMEOUT": "soon"})
    text = str(raised.value)
    assert "VM_ENDPOINT='http://me:***@vm:8428/?***': has something behind ?" in text
    assert "VM_TIMEOUT='soon'" in text
    assert "hush" not in text


def test_nothing_secret_of_the_metrics_server_is_shown() -> None:
    env = {
        "FAULTLINE_VICTORIAMETRICS__URL": "http://me:hush@vm:8428",
        "FAULTLINE_VICTORIAMETRICS__PASSWORD": "hush",
        "FAULTLINE_VICTORIAMETRICS__HEADERS": '{"X-Key": "hush"}',
        "FAULTLINE_SCORE__TOKEN": "hush",
    }
    settings = load_settings(env)
    assert "hush" not in str(redact((), settings.model_dump(mode="json")))


def test_zones_of_what_is_neither_profile_nor_scope_are_refused() -> None:
    zones = {"FAULTLINE_SCORING__TIMEZONES": '{"host": "Europe/Berlin", "entity=tokyo-*": "Asia/Tokyo"}'}
    assert load_settings(zones).scoring.timezones["entity=tokyo-*"] == "Asia/Tokyo"
    with pytest.raises(SettingsError, match="entity=PATTERN"):
        load_settings({"FAULTLINE_SCORING__TIMEZONES": '{"name=web-*": "Asia/Tokyo"}'})
