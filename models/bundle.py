"""A bundle: everything that was learned for one scope, as plain files whose hashes its manifest holds.

Nothing in a bundle is ever executed: arrays are read without pickle, and the manifest is JSON. Every file is checked
against its hash before it is parsed, and what it holds is checked before it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.arrays import ArrayError, array_of, pack, unpack
from models.detectors.base import GRAPH, UBJ, Arrays
from models.manifest import MANIFEST, BundleError, FileEntry, Manifest, version_of
from models.model import PeriodModel
from models.periods import ALL

_UNFIT = (ArrayError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What arrays raise that fit nobody's model."""

_DIGEST_BYTES = hashlib.sha256().digest_size

Read = Callable[[str], bytes]
"""Gives the bytes of a bundle's file by its name in the bundle."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose manifest is checked; its periods are read when asked for."""

    version: str
    manifest: Manifest
    read: Read

    def period_for(self, name: str) -> str:
        """The period whose model serves that period: its own, else the one of all hours."""
        return name if name in self.manifest.periods else ALL

    def period(self, name: str) -> PeriodModel:
        """Read one period's model. Raises `BundleError`, or what `read` raises."""
        entry = self.manifest.periods[name]
        blob = self._checked(entry.file)
        try:
            arrays = self._with_own_files(unpack(blob))
            model = PeriodModel.from_arrays(self.manifest.features, entry.members, entry.fusion, arrays)
        except _UNFIT as error:
            raise BundleError(f"{entry.file}: {error}") from error
        if unknown := sorted(arrays.keys() - model.to_arrays().keys()):
            raise BundleError(f"{entry.file}: no part of the model has an array {unknown[0]}")
        return model

    def _with_own_files(self, arrays: Arrays) -> Arrays:
        """The arrays of a period, each graph and each model of XGBoost in place of its hash."""
        found = dict(arrays)
        for path in filter(_own_place, arrays):
            digest = array_of(arrays, path, np.uint8)
            if len(digest) != _DIGEST_BYTES:
                raise ArrayError(f"{path} is no hash")
            name = own_file(path, digest.tobytes().hex())
            if name not in self.manifest.files:
                raise BundleError(f"{path}: {name} is not in the manifest")
            found[path] = np.frombuffer(self._checked(name), np.uint8)
        return found

    def _checked(self, file: str) -> bytes:
        return checked(self.read(file), file, self.manifest.files[file])

    def check_files(self) -> None:
        """Compare every file with its hash, and load none. Raises `BundleError`, or what `read` raises."""
        for name in self.manifest.files:
            self._checked(name)

    def verify(self) -> None:
        """Read everything once. Raises `BundleError` where any part is not what the manifest says."""
        for name in self.manifest.periods:
            self.period(name)

    def align(self, names: tuple[str, ...], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values in the order of this bundle's features: what it does not know is left out, what is missing is NaN."""
        if names == self.manifest.features:
            return values
        columns = _columns(self.manifest.features, names)
        aligned: NDArray[np.float64] = np.where(columns >= 0, values[:, np.maximum(columns, 0)], np.nan)
        return aligned

    @property
    def metrics(self) -> frozenset[str]:
        """The metrics that the models know, where names carry them (`<metric>__<statistic>`)."""
        return _metrics(self.manifest.features)


@lru_cache(maxsize=1_000)
def _columns(features: tuple[str, ...], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Where each feature stands among the names; −1 where it does not."""
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in features], np.int64)


@lru_cache(maxsize=1_000)
def _metrics(features: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for name in features if "__" not in name)


def open_bundle(read: Read, version: str | None = None) -> Bundle:
    """Raises `BundleError` where the manifest is not one, or not the one that `version` names."""
    blob = read(MANIFEST)
    found = version_of(blob)
    if version is not None and found != version:
        raise BundleError(f"the manifest is of version {found}, not {version}: it was changed after it was written")
    return Bundle(found, Manifest.decode(blob), read)


def checked(blob: bytes, name: str, entry: FileEntry) -> bytes:
    """The blob, if it is the one the manifest means."""
    if len(blob) != entry.bytes or hashlib.sha256(blob).hexdigest() != entry.sha256:
        raise BundleError(f"{name} is not the file that the manifest names: it is damaged or was changed")
    return blob


def files_of(models: Mapping[str, PeriodModel]) -> dict[str, bytes]:
    """The files of a bundle's periods, by name in the bundle: arrays by period; by their hash ONNX graphs, and trees as
    XGBoost saves them.
    """
    files = {}
    for name, model in models.items():
        arrays = dict(model.to_arrays())
        for path in filter(_own_place, model.to_arrays()):
            blob = arrays[path].tobytes()
            digest = hashlib.sha256(blob).digest()
            files[own_file(path, digest.hex())] = blob
            arrays[path] = np.frombuffer(digest, np.uint8)
        files[period_file(name)] = pack(arrays)
    return files


def entries_of(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """What the manifest says of files."""
    return {name: FileEntry(hashlib.sha256(blob).hexdigest(), len(blob)) for name, blob in files.items()}


def period_file(name: str) -> str:
    return f"periods/{name}.npz"


_OWN_FILES: Mapping[str, str] = {GRAPH: "graphs/{}.onnx", UBJ: "trees/{}.ubj"}


def own_file(path: str, digest: str) -> str:
    """Where an array lies that is a file of its own, by its path among the arrays and its hash."""
    return _own_place(path).format(digest)


def _own_place(path: str) -> str:
    """Where arrays of that name lie; empty for those that lie with the others."""
    return _OWN_FILES.get(path.rpartition("/")[2], "")
