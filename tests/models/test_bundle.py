"""A bundle that is damaged or made to do harm is refused whole, and nothing in it is executed."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arrays import ArrayError, pack, unpack
from models.bundle import Bundle, open_bundle
from models.manifest import MANIFEST, BundleError, Manifest, version_of
from models.model import PeriodModel
from models.periods import ALL
from tests.models.learned import bundle

ALL_FILE = "periods/all.npz"


def _files() -> dict[str, bytes]:
    return {**bundle().files, MANIFEST: bundle().manifest.encode()}


def _open(files: dict[str, bytes], version: str | None = None) -> Bundle:
    return open_bundle(files.__getitem__, version)


def _with_manifest(change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The bundle with a changed manifest, as whoever may write to the registry could make it."""
    files = _files()
    document = json.loads(files[MANIFEST])
    change(document)
    files[MANIFEST] = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return files


def _with_arrays(change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The bundle with changed arrays and a manifest whose hashes fit them."""
    import hashlib

    arrays = unpack(bundle().files[ALL_FILE])
    change(arrays)
    blob = pack(arrays)

    def fit(document: dict[str, Any]) -> None:
        document["files"][ALL_FILE] = {"sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)}

    return {**_with_manifest(fit), ALL_FILE: blob}


def test_a_whole_bundle_verifies_and_survives_its_files() -> None:
    opened = _open(_files(), bundle().version)
    opened.verify()
    model = opened.period(ALL)
    members = [m.detector.kind for m in model.members]
    again = PeriodModel.from_arrays(model.names, members, model.fusion, model.to_arrays())
    assert pack(again.to_arrays()) == bundle().files[ALL_FILE]


def test_the_version_is_the_hash_of_the_manifest_and_covers_every_file() -> None:
    manifest = bundle().manifest
    assert bundle().version == version_of(manifest.encode())
    assert set(manifest.files) == set(bundle().files)
    assert Manifest.decode(manifest.encode()) == manifest


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_one_flipped_bit_in_any_file_is_found(where: float, bit: int) -> None:
    for name in (ALL_FILE, MANIFEST):
        files = _files()
        blob = bytearray(files[name])
        blob[int(where * len(blob))] ^= 1 << bit
        files[name] = bytes(blob)
        with pytest.raises(BundleError):
            _open(files, bundle().version).period(ALL)


def test_a_file_cut_short_or_made_longer_is_refused() -> None:
    whole = _files()[ALL_FILE]
    for changed in (whole[:-1], whole + b"\0"):
        files = _files() | {ALL_FILE: changed}
        with pytest.raises(BundleError, match="damaged or was changed"):
            _open(files).period(ALL)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format=1), "another format"),
        (lambda d: d.pop("features"), "manifest"),
        (lambda d: d.update(extra=1), "manifest"),
        (lambda d: d["periods"].pop("all"), "period `all`"),
        (lambda d: d["periods"].update(lunch=d["periods"]["all"]), "the five"),
        (lambda d: d["periods"]["all"].update(members=["pickle"]), "does not have"),
        (lambda d: d["periods"]["all"].update(members=["deviation@pickle"]), "does not have"),
        (lambda d: d["periods"]["all"].update(members=[7]), "members.0: .*string"),
        (lambda d: d["periods"]["all"].update(members=[]), "no members"),
        (lambda d: d["periods"]["all"].update(fusion="eval"), "fusion: "),
        (lambda d: d["periods"]["all"].update(file="nowhere.npz"), "not in the manifest"),
        (lambda d: d["files"].update({"../../etc/passwd": {"sha256": "", "bytes": 1}}), "no name of a bundle's file"),
        (lambda d: d["files"].update({"x.pkl": {"sha256": "", "bytes": 1}}), "no name of a bundle's file"),
        (lambda d: d["files"]["periods/all.npz"].update(bytes=1 << 40), "is not read"),
        (lambda d: d["training"].update(alpha=0.0), "training.alpha"),
        (lambda d: d["training"].update(alpha="0.1"), "training.alpha"),
        (lambda d: d["training"].update(rows_a_day=float("nan")), "training.rows_a_day"),
        (lambda d: d["calendar"].update(zone="Nowhere/Land"), "time zone"),
    ],
)
def test_a_manifest_that_is_not_one_of_ours_is_refused(change: Callable[[dict[str, Any]], None], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        _open(_with_manifest(change))


@pytest.mark.parametrize("blob", [b"", b"[]", b"null", b"{", b'"x"', b"\xff\xfe"])
def test_a_manifest_that_is_not_even_json_is_refused(blob: bytes) -> None:
    with pytest.raises(BundleError):
        _open({MANIFEST: blob})


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("columns"),
        lambda a: a.update(columns=a["columns"] + 1_000_000),
        lambda a: a.update(columns=-a["columns"] - 1),
        lambda a: a.update(below=a["below"][:-1]),
        lambda a: a.update({"scaler/scale": np.zeros_like(a["scaler/scale"])}),
        lambda a: a.update({"scaler/centre": a["scaler/centre"] * np.nan}),
        lambda a: a.update({"fused/numbers": a["fused/numbers"][:2]}),
        lambda a: a.update({"fused/quantiles": a["fused/quantiles"][::-1]}),
        lambda a: a.update({"0/weight": np.array(-1.0)}),
        lambda a: a.update({"0/detector/feature": a["0/detector/feature"] + 10**6}),
        lambda a: a.update({"0/detector/width": np.array(10**6)}),
    ],
)
def test_arrays_that_do_not_fit_are_refused_even_if_every_hash_does(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(BundleError, match=r"all\.npz"):
        _open(_with_arrays(change)).verify()


class _Bomb:
    """What a pickle could do when it is read."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.place,)


def test_a_pickle_in_place_of_arrays_is_refused_and_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    inside = io.BytesIO()
    np.save(inside, np.array([_Bomb(mark)], object), allow_pickle=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("columns.npy", inside.getvalue())
    for blob in (pickle.dumps(_Bomb(mark)), inside.getvalue(), archive.getvalue()):
        with pytest.raises(ArrayError):
            unpack(blob)
    assert not mark.exists()


def test_an_archive_that_unfolds_to_more_than_it_is_is_refused() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("columns.npy", b"\0" * 10_000_000)
    with pytest.raises(ArrayError, match="compressed"):
        unpack(archive.getvalue())


def test_arrays_pack_to_the_same_bytes_every_time() -> None:
    arrays = {"b": np.arange(3), "a": np.array(1.5), "c": np.eye(2, dtype=np.float32).T}
    assert pack(arrays) == pack(dict(reversed(list(arrays.items()))))
    again = unpack(pack(arrays))
    assert list(again) == ["a", "b", "c"]
    assert all(again[name].tobytes() == arrays[name].tobytes() for name in arrays)
    with pytest.raises(ArrayError, match="only numbers"):
        pack({"x": np.array(["text"])})
