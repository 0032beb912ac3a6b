"""The compose file: what it starts exists, and what it sets is a setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.cli.main import COMMANDS, load
from workers.settings import load_settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "faultline"}


@pytest.mark.parametrize("name", OURS)
def test_every_command_it_starts_is_one_of_ours_with_options_it_has(name: str) -> None:
    words = list(OURS[name]["command"])
    command: Any = load({entry.name: entry for entry in COMMANDS}[words.pop(0)])
    while getattr(command, "commands", None):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", OURS)
def test_every_variable_it_sets_is_a_setting(name: str) -> None:
    environment = OURS[name]["environment"]
    settings = load_settings({key: value for key, value in environment.items() if not key.startswith("HOST_")})
    assert settings.kafka.bootstrap_servers == ("127.0.0.1:9094" if name == "host" else "kafka:9092")
    assert settings.topics.partitions == 6


def test_the_workers_the_topics_and_a_producer_are_there() -> None:
    assert OURS.keys() == {
        "topics",
        "intake",
        "windows",
        "scoring",
        "incidents",
        "groups",
        "history",
        "archive",
        "notify",
        "producer",
        "host",
    }


def test_the_host_agent_sees_the_machine_and_not_its_container() -> None:
    host = OURS["host"]
    mounted = {target: source for source, target, _ in (volume.split(":") for volume in host["volumes"])}
    assert {mounted[host["environment"][f"HOST_{name}"]] for name in ("PROC", "SYS", "ROOT")} == {"/proc", "/sys", "/"}
    assert (host["pid"], host["network_mode"]) == ("host", "host")
    assert all(volume.endswith(":ro") for volume in host["volumes"])
    assert host["profiles"] == ["host"]  # only where it is asked for


def test_workers_wait_for_topics_and_redis_and_run_without_rights() -> None:
    for name in ("intake", "windows", "scoring", "incidents", "groups", "history", "archive", "notify"):
        worker = OURS[name]
        assert worker["depends_on"]["topics"]["condition"] == "service_completed_successfully"
        assert worker["depends_on"]["redis"]["condition"] == "service_healthy"
        assert worker["cap_drop"] == ["ALL"]
        assert worker["read_only"] is True


def test_whatever_is_waited_for_exists_and_can_say_that_it_is_ready() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert name in services
            assert wait["condition"] == "service_completed_successfully" or "healthcheck" in services[name]


def test_the_redis_of_compose_does_not_evict() -> None:
    command = COMPOSE["services"]["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_every_file_that_the_image_copies_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
        if not source.startswith("--")
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert {source, source.split("/")[0]} & kept, source
