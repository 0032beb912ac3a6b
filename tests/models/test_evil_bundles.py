"""Whatever lies in a registry, reading it ends with what was asked for or with an error that says what is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import open_bundle
from models.manifest import LARGEST_MANIFEST, MANIFEST, BundleError, Manifest
from models.periods import ALL
from models.registry import ALIASES, Aliases, Registry, RegistryError
from models.scope import GLOBAL
from tests.models.learned import bundle

ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 1.5, 10**400, float("nan"), float("inf")),
    *("", "0", "../../etc", "\0", [], [[]], {}, {"a": {}}, [None], ["x"]),
)


def _written(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything in a document, the document itself apart."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inside for place in [(*way, key), *_places(one, (*way, key))]]


def _at(document: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        document = document[key]
    return document


PLAIN = json.loads(bundle("global", 1).manifest.encode())
PLACES = _places(PLAIN)


def _loads(manifest: bytes) -> None:
    """As a worker would take it up, and as commands would show it."""
    files = {**bundle("global", 1).files, MANIFEST: manifest}
    opened = open_bundle(files.__getitem__)
    opened.verify()
    assert opened.manifest.encode() == manifest
    assert all(type(entry.bytes) is int for entry in opened.manifest.files.values())
    assert all(
        type(name) is str for name in (opened.manifest.scope, opened.manifest.profile, *opened.manifest.features)
    )


def test_everything_in_a_manifest_may_be_anything_and_is_refused_or_loads() -> None:
    _loads(_written(PLAIN))
    refused = 0
    for way in PLACES:
        for odd in ODD:
            document = copy.deepcopy(PLAIN)
            _at(document, way[:-1])[way[-1]] = odd
            try:
                Manifest.decode(_written(document))
            except BundleError:
                refused += 1
    assert refused > 0.8 * len(PLACES) * len(ODD)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_manifest_changed_in_several_places_is_refused_or_loads(data: st.DataObject) -> None:
    document = copy.deepcopy(PLAIN)
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(_places(document)))
        holder, what = _at(document, way[:-1]), data.draw(st.sampled_from(("odd", "gone", "moved")))
        if what == "gone":
            del holder[way[-1]]
        elif what == "odd":
            holder[way[-1]] = data.draw(st.sampled_from(ODD))
        else:
            holder[way[-1]] = copy.deepcopy(_at(document, data.draw(st.sampled_from(_places(document)))))
        if not _places(document):
            break
    try:
        _loads(_written(document))
    except BundleError:
        return


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (b"[" * 200_000, "manifest"),
        (b'{"format":6,"x":' + b"[" * 200_000, "manifest"),
        (b" " * (LARGEST_MANIFEST + 1), "more than"),
        (json.dumps(PLAIN | {"scope": "entity=\ud800"}).encode(), "manifest"),
    ],
)
def test_what_no_trainer_has_written_is_refused(blob: bytes, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        Manifest.decode(blob)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["files"]["periods/all.npz"].update(bytes=None), r"files.periods/all.npz.bytes: .*integer"),
        (lambda d: d["periods"]["all"].update(file=["x"]), r"periods.all.file: .*string"),
        (lambda d: d.update(scope="team=x"), "is no scope"),
        (lambda d: d.update(profile="../generic"), "is no profile"),
        (lambda d: d["training"].update(end=10**18), "no span of time"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[dict[str, Any]], None], said: str) -> None:
    document = copy.deepcopy(PLAIN)
    change(document)
    with pytest.raises(BundleError, match=said):
        Manifest.decode(_written(document))


@pytest.mark.parametrize(
    "blob", [b'{"champion": 5}', b'{"champion": "../../../etc"}', b'{"challenger": ["a"]}', b"[]", b"[" * 200_000]
)
def test_aliases_of_no_versions_are_refused_before_anything_is_read_by_them(blob: bytes, tmp_path: Path) -> None:
    (tmp_path / "generic" / "global").mkdir(parents=True)
    (tmp_path / "generic" / "global" / ALIASES).write_bytes(blob)
    for read in (lambda r: r.aliases("generic", GLOBAL), lambda r: list(r.in_force())):
        with pytest.raises(RegistryError, match=r"aliases\.json holds no aliases"):
            read(Registry(str(tmp_path)))


def test_of_a_file_that_was_made_longer_no_more_is_read_than_tells_so(tmp_path: Path) -> None:
    trained = bundle("global", 1)
    registry = Registry(str(tmp_path))
    version = registry.save(trained.manifest, trained.files)
    opened = registry.open("generic", GLOBAL, version)
    name = trained.manifest.periods[ALL].file
    with (tmp_path / "generic" / "global" / version / name).open("ab") as file:
        file.truncate(1 << 40)
    assert len(opened.read(name)) == trained.manifest.files[name].bytes + 1
    with pytest.raises(BundleError, match="damaged or was changed"):
        registry.promote("generic", GLOBAL, Aliases(version))


def test_a_scope_that_is_none_is_no_place_of_the_registry(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="is no scope"):
        Registry(str(tmp_path)).open("generic", "team=x", "0" * 32)
