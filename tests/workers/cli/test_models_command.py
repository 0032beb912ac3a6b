"""`faultline models` on a real registry folder, and the control record that running workers follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.registry import Aliases, Registry
from tests.support.broker import Broker
from tests.support.cli import Finished, faultline
from tests.workers.scoring.vectors import trained
from workers.runtime.stage import Control
from workers.scoring.controls import read_control

NAME = ("service", "global")


class Shelf:
    """A registry with two versions, of which the first is champion."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(str(folder))
        self.first, self.second = [
            self.registry.save(bundle.manifest, bundle.files) for bundle in (trained(), trained(seed=2))
        ]
        self.registry.promote(*NAME, Aliases(self.first))
        self.env = {"FAULTLINE_REGISTRY__URL": str(folder)}

    def run(self, *arguments: str) -> Finished:
        return faultline("models", *arguments, env=self.env)

    @property
    def aliases(self) -> Aliases:
        return self.registry.aliases(*NAME)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_all_versions_are_listed_with_what_is_in_force(shelf: Shelf) -> None:
    listed = {one["version"]: one["alias"] for one in shelf.run("list", "--json").json}
    assert listed == {shelf.first: "champion", shelf.second: None}
    assert [one["version"] for one in shelf.run("list", "--in-force", "--json").json] == [shelf.first]
    assert shelf.run("list", "--profile", "host", "--json").json == []
    assert shelf.first in shelf.run("list").out


def test_a_bundle_is_shown_in_full_by_version_or_as_the_champion(shelf: Shelf) -> None:
    assert shelf.run("show", *NAME).json["version"] == shelf.first
    shown = shelf.run("show", *NAME, shelf.second[:8]).json
    assert shown["version"] == shelf.second
    assert "all" in shown["periods"]


@pytest.mark.integration
def test_a_promotion_reaches_the_registry_and_the_workers(kafka: Broker, shelf: Shelf) -> None:
    topic = kafka.create_topic(config={"cleanup.policy": "compact"})
    shelf.env |= {"FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "FAULTLINE_TOPICS__CONTROL": topic}

    assert shelf.run("promote", *NAME, shelf.second[:8], "--challenger").code == 0
    assert shelf.aliases == Aliases(shelf.first, shelf.second)
    assert shelf.run("promote", *NAME, shelf.second).code == 0
    assert shelf.aliases == Aliases(shelf.second)
    assert shelf.run("promote", *NAME, shelf.first, "--challenger").code == 0
    assert shelf.run("promote", *NAME, "--retire", "--challenger").code == 0

    told = [read_control(Control(one.offset, one.key or b"", one.value)) for one in kafka.read(topic)]
    assert told == [
        (NAME, Aliases(shelf.first, shelf.second)),
        (NAME, Aliases(shelf.second)),
        (NAME, Aliases(shelf.second, shelf.first)),
        (NAME, Aliases(shelf.second)),
    ]


def test_where_the_workers_cannot_be_told_nothing_is_changed(shelf: Shelf) -> None:
    shelf.env["FAULTLINE_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
    assert shelf.run("promote", *NAME, shelf.second).code == 1
    assert shelf.aliases == Aliases(shelf.first)
    assert shelf.run("promote", *NAME, shelf.second, "--registry-only").code == 0
    assert shelf.aliases == Aliases(shelf.second)


def test_a_champion_cannot_challenge_itself(shelf: Shelf) -> None:
    assert shelf.run("promote", *NAME, shelf.first, "--challenger", "--registry-only").code == 2


def test_a_dry_run_changes_nothing(shelf: Shelf) -> None:
    done = shelf.run("promote", *NAME, shelf.second, "--dry-run", "--json")
    assert done.json["after"] == {"champion": shelf.second, "challenger": None}
    assert shelf.aliases == Aliases(shelf.first)


def test_a_damaged_bundle_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    (file,) = (tmp_path / "service" / "global" / shelf.second).rglob("all.npz")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    done = shelf.run("promote", *NAME, shelf.second, "--registry-only")
    assert done.code == 1
    assert "model registry:" in done.err
    assert shelf.aliases == Aliases(shelf.first)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("promote", *NAME), "either a version or --retire"),
        (("promote", *NAME, "zzz"), "0 versions of service global begin with zzz"),
        (("show", *NAME, "zzz"), "there are:"),
    ],
)
def test_wrong_use_is_told_with_what_there_is(shelf: Shelf, arguments: tuple[str, ...], complaint: str) -> None:
    done = shelf.run(*arguments)
    assert done.code == 2
    assert complaint in done.err


def test_without_a_registry_there_are_no_models() -> None:
    done = faultline("models", "list", env={"FAULTLINE_REGISTRY__URL": ""})
    assert done.code == 2
    assert "FAULTLINE_REGISTRY__URL is empty" in done.err
