"""What commands leave on disk: bundles of the registry, and the files of `faultline opensearch`, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from models.registry import Damaged, Entry, Registry, RegistryError
from workers.cli.failures import Failure, WrongUse
from workers.cli.opensearch_options import Folders
from workers.cli.versions import survey

MODELS = "models"
KINDS = (MODELS, "raw", "clean", "features", "artifacts")


@dataclass(frozen=True, slots=True)
class Left:
    """One thing that can go. `changed`: epoch seconds, None where nobody says; `kept_for`: why it must stay."""

    kind: str
    name: str
    files: int
    bytes: int
    changed: float | None
    kept_for: str
    remove: Callable[[], None]


def find_left(kinds: tuple[str, ...], data: Path, registry: Registry | None) -> list[Left]:
    """What there is of these kinds, below a data folder and in the registry. Raises `WrongUse`, `Failure`."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise WrongUse(f"no outputs are called {unknown[0]!r}; there are {', '.join(KINDS)}")
    found: list[Left] = []
    for kind in kinds or KINDS:
        if kind == MODELS:
            found += [] if registry is None else _bundles(registry)
        else:
            found += _files(kind, getattr(Folders(data), kind))
    return found


def _bundles(registry: Registry) -> Iterator[Left]:
    for one in survey(registry):
        size = sum(file.bytes for file in one.manifest.files.values()) if isinstance(one, Entry) else 0
        files = 1 + (len(one.manifest.files) if isinstance(one, Entry) else 0)
        try:
            stored = registry.stored_at(one)
            in_force = "damaged" if isinstance(one, Damaged) and registry.is_in_force(one) else ""
        except RegistryError as error:
            raise Failure(str(error)) from error
        if isinstance(one, Entry):
            in_force = one.alias or ""
        name = f"{one.profile} {one.scope} {one.version}"
        yield Left(MODELS, name, files, size, stored, in_force, partial(_remove_bundle, registry, one))


def _remove_bundle(registry: Registry, one: Entry | Damaged) -> None:
    try:
        registry.remove(one)
    except RegistryError as error:
        raise Failure(str(error)) from error


def _files(kind: str, folder: Path) -> Iterator[Left]:
    """Each file of a folder of `faultline opensearch`; others that somebody put beside them are as much."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            about = path.stat()
            yield Left(kind, str(path), 1, about.st_size, about.st_mtime, "", partial(_remove_file, path))


def _remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Failure(f"{path} cannot be deleted: {error.strerror or error}") from error
