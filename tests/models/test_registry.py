"""The registry keeps bundles by scope and version, moves aliases whole, and never shows half a bundle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.manifest import MANIFEST, BundleError
from models.model import PeriodModel
from models.periods import ALL
from models.registry import ALIASES, Aliases, Damaged, Registry, RegistryError
from models.scope import GLOBAL, entity_scope, folder_name, group_scope, scopes_of
from models.store import ModelStore
from tests.models.learned import bundle


def _saved(place: Path, scope: str = GLOBAL, seed: int = 0) -> tuple[Registry, str]:
    registry = Registry(str(place))
    trained = bundle(scope, seed)
    return registry, registry.save(trained.manifest, trained.files)


def test_what_was_saved_is_found_where_the_layout_says(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path, entity_scope("shop/checkout"))
    folder = tmp_path / "generic" / "entity=shop%2Fcheckout" / version
    assert (folder / MANIFEST).is_file()
    assert (folder / "periods" / "all.npz").is_file()
    opened = registry.open("generic", "entity=shop/checkout", version)
    opened.verify()
    assert opened.manifest.scope == "entity=shop/checkout"


def test_saving_again_changes_nothing_and_leaves_no_scraps(tmp_path: Path) -> None:
    _, version = _saved(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert _saved(tmp_path)[1] == version
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()} == before
    assert not list(tmp_path.rglob("*.part"))


def test_a_bundle_without_its_manifest_is_not_there(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path)
    (tmp_path / "generic" / "global" / version / MANIFEST).unlink()
    assert list(registry.entries()) == []
    with pytest.raises(RegistryError, match="is not there"):
        registry.open("generic", GLOBAL, version)


def test_aliases_move_whole_and_say_what_is_in_force(tmp_path: Path) -> None:
    registry, first = _saved(tmp_path)
    _, second = _saved(tmp_path, seed=1)
    assert registry.aliases("generic", GLOBAL) == Aliases()
    registry.promote("generic", GLOBAL, Aliases(first, second))
    assert registry.aliases("generic", GLOBAL) == Aliases(first, second)
    assert list(registry.in_force()) == [("generic", GLOBAL, Aliases(first, second))]
    assert {entry.version: entry.alias for entry in registry.entries()} == {first: "champion", second: "challenger"}
    registry.promote("generic", GLOBAL, Aliases())
    assert list(registry.in_force()) == []


def test_what_is_not_whole_is_not_promoted(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path)
    with pytest.raises(RegistryError, match="is not there"):
        registry.promote("generic", GLOBAL, Aliases("0" * 32))
    place = tmp_path / "generic" / "global" / version / "periods" / "night_hours.npz"
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(BundleError, match="damaged"):
        registry.promote("generic", GLOBAL, Aliases(version))
    assert registry.aliases("generic", GLOBAL) == Aliases()


def test_a_bundle_moved_to_another_scope_or_version_is_refused(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path)
    (tmp_path / "generic" / "entity=a").mkdir()
    (tmp_path / "generic" / "global" / version).rename(tmp_path / "generic" / "entity=a" / version)
    with pytest.raises(BundleError, match="holds a bundle of generic global"):
        registry.open("generic", "entity=a", version)
    (tmp_path / "generic" / "entity=a" / version).rename(tmp_path / "generic" / "entity=a" / ("0" * 32))
    with pytest.raises(BundleError, match="changed after it was written"):
        registry.open("generic", "entity=a", "0" * 32)


def test_damaged_aliases_are_named_by_their_place(tmp_path: Path) -> None:
    registry, _ = _saved(tmp_path)
    (tmp_path / "generic" / "global" / ALIASES).write_text("{")
    with pytest.raises(RegistryError, match=r"aliases\.json holds no aliases"):
        registry.aliases("generic", GLOBAL)


@pytest.mark.parametrize(("profile", "version"), [("../generic", "0" * 32), ("generic", "../../x"), ("", "a")])
def test_names_cannot_lead_out_of_the_registry(tmp_path: Path, profile: str, version: str) -> None:
    with pytest.raises(RegistryError, match="no names of the registry"):
        Registry(str(tmp_path)).open(profile, GLOBAL, version)


def test_a_storage_that_nothing_here_can_reach_is_told_with_the_way_out() -> None:
    with pytest.raises(RegistryError, match=r"nosuch://.*Correct the URL, or install what it needs"):
        Registry("nosuch://bucket/models")


def test_any_storage_that_fsspec_knows_will_do() -> None:
    registry = Registry("memory://models")
    trained = bundle()
    version = registry.save(trained.manifest, trained.files)
    registry.promote("generic", GLOBAL, Aliases(version))
    assert list(Registry("memory://models").in_force()) == [("generic", GLOBAL, Aliases(version))]


@given(names=st.lists(st.text(min_size=1, max_size=400), min_size=2, max_size=8, unique=True))
@settings(max_examples=150, deadline=None)
def test_every_entity_has_a_folder_of_its_own_that_is_one_safe_path_segment(names: list[str]) -> None:
    folders = [folder_name(entity_scope(name)) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        assert "/" not in folder
        assert folder not in (".", "..")
        assert folder.isascii()
        assert len(folder) <= 200


def test_models_are_looked_for_from_the_special_to_the_general() -> None:
    groups = {"shops": "shop-*", "payments": "*-pay", "rest": "x*"}
    assert scopes_of("shop-pay", groups) == ("entity=shop-pay", "group=shops", "group=payments", "global")
    assert scopes_of("other", groups) == ("entity=other", "global")
    for wrong in ("", "entity=", "team=x", "globals"):
        with pytest.raises(ValueError, match="is no scope"):
            folder_name(wrong)
    assert folder_name(group_scope("a b")) == "group=a%20b"


def _bytes(model: PeriodModel) -> int:
    return sum(array.nbytes for array in model.to_arrays().values())


def test_the_store_loads_periods_when_needed_and_lets_the_least_recently_used_go_by_their_bytes(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path)
    opened = registry.open("generic", GLOBAL, version)
    sizes = {name: _bytes(opened.period(name)) for name in opened.manifest.periods}
    store = ModelStore(registry, most=sum(sizes.values()) - sizes["night_hours"])
    opened = store.bundle("generic", GLOBAL, version)
    assert (store.loaded, store.bytes) == (0, 0)
    night, everything = store.model(opened, "night_hours"), store.model(opened, ALL)
    assert store.bytes == sizes["night_hours"] + sizes[ALL]
    for name in set(sizes) - {"night_hours", ALL}:
        store.model(opened, name)
    assert (store.loaded, store.bytes) == (len(sizes) - 1, sum(sizes.values()) - sizes["night_hours"])
    assert store.model(opened, ALL) is everything
    assert store.model(opened, "night_hours") is not night
    assert store.model(opened, ALL) is everything, "it was used last but one"
    assert store.bundle("generic", GLOBAL, version) is opened


def test_a_model_larger_than_the_bound_is_held_alone(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path)
    store = ModelStore(registry, most=1)
    opened = store.bundle("generic", GLOBAL, version)
    everything = store.model(opened, ALL)
    assert store.model(opened, ALL) is everything
    store.model(opened, "night_hours")
    assert store.loaded == 1


def test_a_period_is_checked_against_its_hash_when_it_is_loaded(tmp_path: Path) -> None:
    registry, version = _saved(tmp_path)
    store = ModelStore(registry, most=1 << 20)
    opened = store.bundle("generic", GLOBAL, version)
    (tmp_path / "generic" / "global" / version / "periods" / "all.npz").write_bytes(b"other")
    with pytest.raises(BundleError, match="damaged"):
        store.model(opened, ALL)


def test_the_example_of_the_documentation_lists_and_opens_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry, first = _saved(tmp_path / "registry")
    _, second = _saved(tmp_path / "registry", seed=1)
    registry.promote("generic", GLOBAL, Aliases(first))
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Registry(" in block)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/models.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[2]: line.split()[3] for line in lines} == {first: "champion", second: "None"}
    assert list(names["champions"]) == [("generic", GLOBAL)]
    assert names["champions"]["generic", GLOBAL].features


@pytest.mark.parametrize("content", ["{", "", "[" * 200_000, '{"format":1}'])
def test_one_damaged_manifest_is_named_by_its_place_and_hides_no_other_bundle(tmp_path: Path, content: str) -> None:
    registry, damaged = _saved(tmp_path, entity_scope("shop/checkout"))
    _, whole = _saved(tmp_path, seed=1)
    registry.promote("generic", GLOBAL, Aliases(whole))
    (tmp_path / "generic" / "entity=shop%2Fcheckout" / damaged / MANIFEST).write_text(content)
    assert [(one.scope, one.version, one.alias) for one in registry.entries()] == [(GLOBAL, whole, "champion")]
    (found,) = [one for one in registry.survey() if isinstance(one, Damaged)]
    assert (found.profile, found.scope, found.version) == ("generic", "entity=shop/checkout", damaged)
    assert f"shop%2Fcheckout/{damaged}/{MANIFEST}: " in found.reason
    assert list(registry.in_force()) == [("generic", GLOBAL, Aliases(whole))]
    (tmp_path / "generic" / "entity=shop%2Fcheckout" / ALIASES).write_text(f'{{"champion": "{damaged}"}}')
    with pytest.raises(BundleError, match=f"{damaged}/{MANIFEST}: "):
        list(registry.in_force())


def test_damaged_aliases_hide_the_bundles_of_no_other_scope(tmp_path: Path) -> None:
    registry, first = _saved(tmp_path, entity_scope("a"))
    _, second = _saved(tmp_path, seed=1)
    (tmp_path / "generic" / "entity=a" / ALIASES).write_text("{")
    assert [one.version for one in registry.entries()] == [second]
    (found,) = [one for one in registry.survey() if isinstance(one, Damaged)]
    assert (found.version, "aliases.json holds no aliases" in found.reason) == (first, True)


def test_a_bundle_is_deleted_whole_unless_it_is_in_force(tmp_path: Path) -> None:
    registry, first = _saved(tmp_path)
    _, second = _saved(tmp_path, seed=1)
    registry.promote("generic", GLOBAL, Aliases(first))
    entries = {one.version: one for one in registry.entries()}
    written = (tmp_path / "generic" / GLOBAL / second / MANIFEST).stat().st_mtime
    assert registry.stored_at(entries[second]) == pytest.approx(written, abs=1e-3)
    with pytest.raises(RegistryError, match="in force"):
        registry.remove(entries[first])
    registry.remove(entries[second])
    assert [one.version for one in registry.entries()] == [first]
    assert not (tmp_path / "generic" / GLOBAL / second).exists()
    registry.open("generic", GLOBAL, first).verify()


def test_a_file_in_the_place_of_the_registry_is_told_as_what_it_is(tmp_path: Path) -> None:
    place = tmp_path / "registry"
    place.write_text("x")
    for asked in (Registry(str(place)).survey, Registry(str(place)).in_force):
        with pytest.raises(RegistryError, match=r"is a file, and the registry is a folder; correct registry\.url"):
            list(asked())
    assert list(Registry(str(tmp_path / "nothing")).survey()) == []
