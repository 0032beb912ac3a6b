"""Models in memory: bundles and their periods, loaded when first needed, the least recently used let go."""

from __future__ import annotations

from collections import OrderedDict

from models.bundle import Bundle
from models.model import PeriodModel
from models.registry import Registry

_BUNDLES_PER_PERIOD = 2


class ModelStore:
    """A bounded cache over a registry. What it gives depends on the version asked for alone, never on what it holds."""

    def __init__(self, registry: Registry, periods: int) -> None:
        """`periods` bounds how many periods' models are held; heads of bundles are small, and twice as many are."""
        self._registry = registry
        self._limit = periods
        self._bundles: OrderedDict[tuple[str, str, str], Bundle] = OrderedDict()
        self._models: OrderedDict[tuple[str, str], PeriodModel] = OrderedDict()

    def bundle(self, profile: str, scope: str, version: str) -> Bundle:
        """The bundle's head. Raises `RegistryError` or `BundleError`."""
        key = (profile, scope, version)
        found = self._bundles.get(key)
        if found is None:
            found = self._registry.open(profile, scope, version)
            self._bundles[key] = found
            while len(self._bundles) > self._limit * _BUNDLES_PER_PERIOD:
                self._bundles.popitem(last=False)
        self._bundles.move_to_end(key)
        return found

    def model(self, bundle: Bundle, period: str) -> PeriodModel:
        """One period's model, checked against its hash when it is loaded. Raises `RegistryError` or `BundleError`."""
        key = (bundle.version, period)
        found = self._models.get(key)
        if found is None:
            found = bundle.period(period)
            self._models[key] = found
            while len(self._models) > self._limit:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return found

    @property
    def loaded(self) -> int:
        """How many periods' models are in memory."""
        return len(self._models)
