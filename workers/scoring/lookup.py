"""Which bundles serve an entity: its own, its groups', the global one; those of another feature set are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.bundle import Bundle
from models.registry import Aliases
from models.scope import scopes_of
from workers.scoring.aliases import Name
from workers.scoring.loading import Loading

_REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class Serving:
    """The bundles that score an entity's vectors of one feature set. `refused` are of another feature set."""

    champion: Bundle | None
    challenger: Bundle | None
    refused: int


class Lookup:
    """Answers for the aliases in force over one stretch of records, and remembers its answers."""

    def __init__(self, in_force: Mapping[Name, Aliases], groups: Mapping[str, str], loading: Loading) -> None:
        self._in_force, self._groups, self._loading = in_force, groups, loading
        self._profiles = frozenset(profile for profile, _ in in_force)
        self._known: dict[tuple[str, str, str], Serving] = {}

    def serving(self, profile: str, feature_set: str, entity: str) -> Serving:
        if profile not in self._profiles:
            return _NOBODY
        key = (profile, feature_set, entity)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._find(profile, feature_set, entity)
        return found

    def _find(self, profile: str, feature_set: str, entity: str) -> Serving:
        champion, challenger, refused = None, None, 0
        for scope, aliases in self._aliases(profile, entity):
            if champion is None and aliases.champion is not None:
                bundle = self._loading.bundle(profile, scope, aliases.champion)
                if bundle.manifest.feature_set == feature_set:
                    champion = bundle
                else:
                    refused += 1
            if challenger is None and aliases.challenger is not None:
                bundle = self._loading.bundle(profile, scope, aliases.challenger)
                if bundle.manifest.feature_set == feature_set:
                    challenger = bundle
        return Serving(champion, challenger, refused)

    def _aliases(self, profile: str, entity: str) -> Iterator[tuple[str, Aliases]]:
        for scope in scopes_of(entity, self._groups):
            aliases = self._in_force.get((profile, scope))
            if aliases is not None:
                yield scope, aliases


_NOBODY = Serving(None, None, 0)
