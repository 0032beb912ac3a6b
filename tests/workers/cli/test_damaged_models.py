"""`faultline models` over a registry in which a bundle is damaged: it is told of, and the others are as they were."""

from __future__ import annotations

from pathlib import Path

from models.manifest import MANIFEST
from models.registry import Registry
from tests.models.learned import bundle
from tests.support.cli import faultline


def test_a_damaged_bundle_is_listed_as_such_and_the_others_are_shown_and_promoted(tmp_path: Path) -> None:
    registry, env = Registry(str(tmp_path)), {"FAULTLINE_REGISTRY__URL": str(tmp_path)}
    whole, other = bundle("global", 1), bundle("entity=a")
    for one in (whole, other):
        registry.save(one.manifest, one.files)
    (tmp_path / "generic" / "entity=a" / other.version / MANIFEST).write_text("{")
    listed = faultline("models", "list", "--json", env=env)
    assert listed.code == 0, listed.err
    assert {one["version"]: one["alias"] for one in listed.json} == {whole.version: None, other.version: "damaged"}
    assert f"{other.version}/{MANIFEST}: " in listed.err
    shown = faultline("models", "show", whole.version[:8], env=env)
    assert shown.code == 0, shown.err
    promoted = faultline("models", "promote", whole.version[:8], "--anyway", env=env)
    assert promoted.code == 0, promoted.err
    refused = faultline("models", "show", other.version[:8], env=env)
    assert (refused.code, f"{other.version} is damaged" in refused.err) == (1, True)
    place = min((tmp_path / "generic" / "global" / whole.version / "periods").glob("*"))
    place.write_bytes(place.read_bytes()[:-1] + b"!")
    for more in ((), ("--json",)):
        changed = faultline("models", "show", whole.version[:8], *more, env=env)
        assert (changed.code, f"{place.name} is not the file that the manifest names" in changed.err) == (1, True)
