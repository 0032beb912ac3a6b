"""How people name bundles of the registry: by the beginning of a version, or by what they are in force as."""

from __future__ import annotations

from dataclasses import dataclass

from models.registry import Damaged, Entry, Registry, RegistryError
from workers.cli.failures import Failure, WrongUse

ALIASES = ("champion", "challenger")


@dataclass(frozen=True, slots=True)
class Place:
    """A profile and a scope, each empty where nobody named it."""

    profile: str = ""
    scope: str = ""

    def has(self, entry: Entry) -> bool:
        return self.profile in ("", entry.profile) and self.scope in ("", entry.scope)


def entries(registry: Registry) -> list[Entry]:
    """Every bundle that is not damaged. Raises `Failure` where the registry is away."""
    return [one for one in survey(registry) if isinstance(one, Entry)]


def survey(registry: Registry) -> list[Entry | Damaged]:
    """Every bundle. Raises `Failure` where the registry is away."""
    try:
        return list(registry.survey())
    except RegistryError as error:
        raise Failure(f"model registry (FAULTLINE_REGISTRY__URL): {error}") from error


def find(registry: Registry, version: str) -> Entry:
    """The bundle whose version begins so. Raises `WrongUse` unless there is one, `Failure` where it is damaged."""
    known = survey(registry)
    damaged = [one for one in known if isinstance(one, Damaged) and one.version.startswith(version)]
    whole = [one for one in known if isinstance(one, Entry)]
    if damaged and not any(one.version.startswith(version) for one in whole):
        raise Failure(f"{damaged[0].version} is damaged: {damaged[0].reason}")
    return _by_version(whole, version)


def find_two(registry: Registry, first: str, second: str, place: Place) -> tuple[Entry, Entry]:
    """Two bundles of one profile and feature set, each named by its version or its alias.

    An alias is that of `place`; where it is not named and several scopes have one, that of the other bundle's scope.
    Raises `WrongUse`.
    """
    known = entries(registry)
    choices = [_choices(known, text, place) for text in (first, second)]
    for mine, theirs in (choices, choices[::-1]):
        if len(theirs) == 1:
            mine[:] = _nearest(mine, theirs[0])
    one, other = (_only(found, text) for found, text in zip(choices, (first, second), strict=True))
    if one.version == other.version:
        raise WrongUse(f"{first} and {second} are the same version, {one.version}")
    if one.profile != other.profile:
        raise WrongUse(f"{first} is of the profile {one.profile}, {second} of {other.profile}: no vector is of both")
    if one.manifest.feature_set != other.manifest.feature_set:
        raise WrongUse(
            f"{first} is of the feature set {one.manifest.feature_set}, {second} of {other.manifest.feature_set}: "
            "no vector is of both; train the older one anew"
        )
    return one, other


def _by_version(known: list[Entry], version: str) -> Entry:
    found = [entry for entry in known if entry.version.startswith(version)]
    if len({entry.version for entry in found}) != 1:
        what = "no bundle has" if not found else f"{len(found)} bundles have"
        raise WrongUse(f"{what} a version that begins with {version!r}; see `faultline models list`")
    return found[0]


def _choices(known: list[Entry], text: str, place: Place) -> list[Entry]:
    """The bundles that a version or an alias may mean. Raises `WrongUse` where there is none."""
    if text not in ALIASES:
        return [_by_version(known, text)]
    found = [entry for entry in known if entry.alias == text and place.has(entry)]
    if not found:
        where = " ".join(name for name in (place.profile, place.scope) if name)
        raise WrongUse(f"there is no {text}{f' of {where}' if where else ''}; see `faultline models list`")
    return found


def _nearest(found: list[Entry], other: Entry) -> list[Entry]:
    """Of several bundles those of the other's profile, and of these that of its scope, where there are any."""
    alike = [entry for entry in found if entry.profile == other.profile] or found
    return [entry for entry in alike if entry.scope == other.scope] or alike


def _only(found: list[Entry], alias: str) -> Entry:
    if len(found) > 1:
        places = ", ".join(f"{entry.profile} {entry.scope}" for entry in found[:3])
        more = ", …" if len(found) > 3 else ""
        raise WrongUse(f"{len(found)} scopes have a {alias} ({places}{more}): name one with --profile and --scope")
    return found[0]
