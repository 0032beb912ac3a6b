"""`faultline outputs`: what is on disk is listed, and only what is old, asked for and not in force is deleted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from models.manifest import MANIFEST
from models.registry import Aliases, Registry
from tests.models.learned import bundle
from tests.support.cli import faultline

DAY = 86_400


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"FAULTLINE_REGISTRY__URL": str(tmp_path / "registry")}


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    """Bundles of one scope, the first the oldest and in force, a day apart up to forty days ago."""
    registry, names = Registry(str(tmp_path / "registry")), []
    for seed in range(4):
        one = bundle("global", seed)
        registry.save(one.manifest, one.files)
        place = tmp_path / "registry" / "generic" / "global" / one.version / MANIFEST
        written = time.time() - (44 - seed) * DAY
        os.utime(place, (written, written))
        names.append(one.version)
    registry.promote("generic", "global", Aliases(names[0]))
    return names


def _file(path: Path, days: float, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def _there(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "registry" / "generic" / "global").iterdir() if path.is_dir()}


def test_what_there_is_is_told_kind_by_kind(tmp_path: Path, env: dict[str, str], versions: list[str]) -> None:
    _file(tmp_path / "data" / "raw" / "a.ndjson.gz", 3, "12345")
    _file(tmp_path / "data" / "artifacts" / "report.md", 1)
    listed = faultline("outputs", "list", "--data-dir", str(tmp_path / "data"), "--json", env=env)
    assert listed.code == 0, listed.err
    kinds = [one["kind"] for one in listed.json]
    assert kinds == ["models"] * 4 + ["raw", "artifacts"]
    assert {one["what"].split()[-1]: one["in_force"] for one in listed.json[:4]} == {
        version: "champion" if version == versions[0] else None for version in versions
    }
    assert (listed.json[4]["bytes"], listed.json[4]["files"]) == (5, 1)
    table = faultline("outputs", "list", "--data-dir", str(tmp_path / "data"), env=env)
    assert "artifacts" in table.out
    each = faultline("outputs", "list", "raw", "--files", "--data-dir", str(tmp_path / "data"), env=env)
    assert "a.ndjson.gz" in each.out.replace("\n", "")


def test_old_models_go_but_not_those_in_force_nor_the_newest_others(
    tmp_path: Path, env: dict[str, str], versions: list[str]
) -> None:
    tried = faultline("outputs", "clean", "models", "--keep", "1", "--dry-run", "--json", env=env)
    assert {one["what"].split()[-1] for one in tried.json["outputs"]} == set(versions[1:3])
    assert (tried.json["deleted"], _there(tmp_path)) == (False, set(versions))
    done = faultline("outputs", "clean", "models", "--keep", "1", "--yes", env=env)
    assert done.code == 0, done.err
    assert _there(tmp_path) == {versions[0], versions[3]}
    assert [one.version for one in Registry(env["FAULTLINE_REGISTRY__URL"]).entries() if one.alias] == [versions[0]]
    young = faultline("outputs", "clean", "models", "--keep", "0", "--older-than", "60d", "--yes", env=env)
    assert "0 outputs deleted" in young.out
    faultline("outputs", "clean", "models", "--keep", "0", "--yes", env=env)
    assert _there(tmp_path) == {versions[0]}


def test_a_damaged_model_goes_unless_it_is_in_force_and_holds_up_no_other(
    tmp_path: Path, env: dict[str, str], versions: list[str]
) -> None:
    for version in versions[:2]:
        place = tmp_path / "registry" / "generic" / "global" / version / MANIFEST
        written = place.stat().st_mtime
        place.write_text("{")
        os.utime(place, (written, written))
    done = faultline("outputs", "clean", "models", "--keep", "0", "--yes", env=env)
    assert done.code == 0, done.err
    assert _there(tmp_path) == {versions[0]}, "the champion, damaged as it is, is for people to replace"


def test_only_files_of_the_kinds_asked_for_and_old_enough_go(tmp_path: Path, env: dict[str, str]) -> None:
    data = tmp_path / "data"
    old, new = _file(data / "raw" / "old.gz", 40), _file(data / "raw" / "new.gz", 1)
    report = _file(data / "artifacts" / "report.md", 40)
    done = faultline("outputs", "clean", "raw", "--data-dir", str(data), "--yes", env=env)
    assert done.code == 0, done.err
    assert [path.exists() for path in (old, new, report)] == [False, True, True]


def test_nothing_goes_without_a_word(tmp_path: Path, env: dict[str, str]) -> None:
    old = _file(tmp_path / "data" / "raw" / "old.gz", 40)
    asked = faultline("outputs", "clean", "raw", "--data-dir", str(tmp_path / "data"), env=env)
    assert (asked.code, old.exists()) == (2, True)
    assert "--yes" in asked.err
    unknown = faultline("outputs", "clean", "everything", env=env)
    assert (unknown.code, "models, raw, clean, features, artifacts" in " ".join(unknown.err.split())) == (2, True)
    nowhere = faultline("outputs", "clean", "models", "--yes", env={"FAULTLINE_REGISTRY__URL": ""})
    assert (nowhere.code, "FAULTLINE_REGISTRY__URL" in nowhere.err) == (2, True)
