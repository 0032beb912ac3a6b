"""What a bundle says of itself: plain JSON, whose hash is the bundle's version."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from models.ensembles import FUSIONS, Fusion, MemberName
from models.periods import ALL, PERIODS, Calendar
from models.scope import check_scope
from schemas.times import MAX_TIME, MIN_TIME

FORMAT = 6
MANIFEST = "manifest.json"

_FILE = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*\.(npz|json|onnx|ubj)")
_LARGEST_FILE = 256 << 20

LARGEST_MANIFEST = 16 << 20
"""Bytes of a manifest that are read at most."""


class BundleError(ValueError):
    """A bundle that is damaged, of another format, or made to do harm. It is refused whole."""


@dataclass(frozen=True, slots=True)
class Validation:
    """How labels judged the later part of the rows: the `rows` labelled there, `anomalous` ones, in `episodes`.

    `members` has the figures of all that were tried, each alone, and their `weight`, 0 for what was left out;
    `ensemble` those of what became of them; `trees` how members that learn from labels were grown. Boundary, weights
    and number of trees were chosen on the same rows.
    """

    rows: int
    anomalous: int
    episodes: int
    trees: Mapping[str, Mapping[str, float]]
    members: Mapping[str, Mapping[str, float]]
    ensemble: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PeriodEntry:
    """One period's model: its file, its members in order (`MemberName`), how many rows it learned from, held-out
    figures, and what labels say of it, where they were used.
    """

    file: str
    members: tuple[str, ...]
    fusion: Fusion
    rows: int
    held_out: Mapping[str, float]
    validation: Validation | None = None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the bundle, checked before it is read."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Training:
    """What went in: times are epoch microseconds of the first and last window's end.

    `trimmed` of the `rows` were anomalous, plainly or by their label, and are no example of what is usual; `alpha` is
    the share of rows that may be flagged.
    """

    tag: str
    start: int
    end: int
    rows: int
    trimmed: int
    entities: int
    rows_a_day: float
    contamination: float
    alpha: float
    seed: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The head of a bundle. `features` are the names in the order of the values that its models take."""

    profile: str
    profile_version: int
    scope: str
    feature_set: str
    features: tuple[str, ...]
    calendar: Calendar
    training: Training
    libraries: Mapping[str, str]
    periods: Mapping[str, PeriodEntry]
    files: Mapping[str, FileEntry]

    def encode(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces."""
        document = {"format": FORMAT, **asdict(self)}
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def version(self) -> str:
        return version_of(self.encode())

    @property
    def by_labels(self) -> bool:
        """Whether labels have set the boundary: then it is not for an entity to find."""
        return self.periods[ALL].validation is not None

    @classmethod
    def decode(cls, blob: bytes) -> Manifest:
        """Raises `BundleError` for anything that `encode` would not have written."""
        if len(blob) > LARGEST_MANIFEST:
            raise BundleError(f"not a bundle's manifest: it has more than {LARGEST_MANIFEST:,} bytes")
        try:
            document: dict[str, Any] = json.loads(blob)
            if document.pop("format") != FORMAT:
                raise BundleError("the bundle is of another format; train it anew")
            _TYPES.validate_json(json.dumps(document), strict=True)
            manifest = cls(
                **{
                    **document,
                    "features": tuple(document["features"]),
                    "calendar": _calendar(document["calendar"]),
                    "training": Training(**document["training"]),
                    "periods": {name: _period(entry) for name, entry in document["periods"].items()},
                    "files": {name: FileEntry(**entry) for name, entry in document["files"].items()},
                }
            )
        except BundleError:
            raise
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BundleError(f"not a bundle's manifest: {place}: {first['msg']}") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BundleError(f"not a bundle's manifest: {error}") from error
        _check(manifest)
        return manifest


_TYPES: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def version_of(manifest: bytes) -> str:
    """32 hex digits that name exactly these bytes, and by the hashes in them every file."""
    return hashlib.sha256(manifest).hexdigest()[:32]


def is_profile(name: str) -> bool:
    """Whether a profile may have that name, which is a folder of the registry: letters, digits and `_`."""
    return name.replace("_", "").isalnum()


def _calendar(entry: Mapping[str, Any]) -> Calendar:
    return Calendar(str(entry["zone"]), tuple(entry["holidays"]))


def _period(entry: Mapping[str, Any]) -> PeriodEntry:
    validation = entry["validation"]
    found = {"members": tuple(entry["members"]), "validation": Validation(**validation) if validation else None}
    return PeriodEntry(**{**entry, **found})


def _check(manifest: Manifest) -> None:
    if ALL not in manifest.periods or not set(manifest.periods) <= {ALL, *PERIODS}:
        raise BundleError("a bundle holds the period `all` and no others than the five")
    try:
        check_scope(manifest.scope)
    except ValueError as error:
        raise BundleError(str(error)) from error
    if not is_profile(manifest.profile):
        raise BundleError(f"{manifest.profile!r} is no profile")
    training = manifest.training
    if not MIN_TIME <= training.start <= training.end <= MAX_TIME:
        raise BundleError(f"training.start {training.start} and training.end {training.end} are no span of time")
    for what, value, most in (("alpha", training.alpha, 1.0), ("rows_a_day", training.rows_a_day, math.inf)):
        if type(value) is not float or not 0.0 < value < most:
            raise BundleError(f"training.{what} must be a number above 0 and below {most}, not {value!r}")
    for name, entry in manifest.files.items():
        if not _FILE.fullmatch(name):
            raise BundleError(f"{name!r} is no name of a bundle's file")
        if not 0 <= entry.bytes <= _LARGEST_FILE:
            raise BundleError(f"{name}: a file of {entry.bytes} bytes is not read")
    for name, period in manifest.periods.items():
        try:
            members = [MemberName.parse(member) for member in period.members]
        except (ValueError, AttributeError) as error:
            raise BundleError(f"period {name} needs what this version does not have: {error}") from error
        if not members or period.fusion not in FUSIONS:
            raise BundleError(f"period {name}: no members, or they become one score by no known rule")
        if period.file not in manifest.files:
            raise BundleError(f"period {name}: the file {period.file!r} is not in the manifest")
