"""Feature sets: features by name, each with its unit and formula, and a hash that changes when a formula does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a vector. `formula` is text for people; changing a formula changes the set's hash."""

    name: str
    unit: str
    formula: str


@dataclass(frozen=True)
class FeatureSet:
    """The features of a profile in the order of a vector's values.

    Where a profile's metrics are not known beforehand (`generic`), the features are templates per metric: the hash
    covers formulas, not which metrics exist, and every vector carries its own names.
    """

    profile: str
    version: int
    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def hash(self) -> str:
        """32 hex digits over profile, version and every feature's name, unit and formula."""
        fields = [self.profile, str(self.version), *(f"{f.name}\x1e{f.unit}\x1e{f.formula}" for f in self.features)]
        return hashlib.blake2b("\x1f".join(fields).encode(), digest_size=16).hexdigest()


def by_hash(sets: Iterable[FeatureSet]) -> Mapping[str, FeatureSet]:
    """The sets by their hash. Raises ValueError when two share one."""
    found: dict[str, FeatureSet] = {}
    for one in sets:
        if one.hash in found:
            raise ValueError(f"two feature sets of profile {one.profile} have one hash")
        found[one.hash] = one
    return found
