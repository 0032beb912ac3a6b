"""Models from the registry, asked for again when it fails, and given up with words that help."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential
from tenacity.wait import wait_base

from models.bundle import Bundle
from models.manifest import BundleError
from models.model import PeriodModel
from models.registry import Aliases, Registry, RegistryError
from models.store import ModelStore
from workers.runtime.errors import Fatal

_ATTEMPTS = 5
_WAIT = wait_exponential(multiplier=0.2, max=3.0)

T = TypeVar("T")


class Loading:
    """The registry as scoring sees it. None for its URL's being empty: no models, the fallback alone."""

    def __init__(self, registry: Registry | None, cache_mb: int, wait: wait_base = _WAIT) -> None:
        self._registry = registry
        self._store = ModelStore(registry, cache_mb << 20) if registry is not None else None
        self._wait = wait

    def bundle(self, profile: str, scope: str, version: str) -> Bundle:
        """A bundle in force. Raises Fatal where it cannot be loaded: to score without it would change the output."""
        return self._insist(f"{profile} {scope} {version}", lambda s: s.bundle(profile, scope, version))

    def model(self, bundle: Bundle, period: str) -> PeriodModel:
        """The model of one period of a bundle in force. Raises Fatal."""
        what = f"period {period} of {bundle.manifest.profile} {bundle.manifest.scope} {bundle.version}"
        return self._insist(what, lambda s: s.model(bundle, period))

    def problem(self, profile: str, scope: str, aliases: Aliases) -> str | None:
        """Why these versions cannot be put into force; None if they loaded whole."""
        versions = [version for version in (aliases.champion, aliases.challenger) if version is not None]
        if versions and self._registry is None:
            return "no registry is configured"
        try:
            for version in versions:
                assert self._registry is not None
                self._registry.open(profile, scope, version).verify()
        except (RegistryError, BundleError, ValueError) as error:
            return str(error)
        return None

    def promoted(self) -> list[tuple[str, str, Aliases]]:
        """Profile, scope and aliases that the registry holds now. Raises Fatal where it cannot be asked."""
        if self._registry is None:
            return []
        registry = self._registry
        return self._again(f"the aliases of {registry.url}", lambda: list(registry.in_force()))

    @property
    def loaded(self) -> int:
        """How many periods' models are in memory."""
        return self._store.loaded if self._store is not None else 0

    def _insist(self, what: str, load: Callable[[ModelStore], T]) -> T:
        store = self._store
        if store is None:
            raise Fatal(f"{what} is in force, but no registry is configured", "Set FAULTLINE_REGISTRY__URL")
        return self._again(what, lambda: load(store))

    def _retrying(self) -> Retrying:
        return Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=self._wait,
            retry=retry_if_exception_type(RegistryError),
            reraise=True,
        )

    def _again(self, what: str, load: Callable[[], T]) -> T:
        try:
            try:
                return load()  # nearly always from memory, where the machinery of retrying costs more than the call
            except RegistryError:
                return self._retrying()(load)
        except (RegistryError, BundleError) as error:
            raise Fatal(
                f"{what} cannot be loaded: {error}",
                "Bring the registry (FAULTLINE_REGISTRY__URL) back as it was and restart, or promote another version",
            ) from error
