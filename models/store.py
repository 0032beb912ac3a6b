"""Models in memory: bundles and their periods, loaded when first needed, the least recently used let go."""

from __future__ import annotations

from collections import OrderedDict

from models.bundle import Bundle
from models.model import PeriodModel
from models.registry import Registry

_HEADS = 2_000
"""Bundles whose manifests are held at most: they are small."""


class ModelStore:
    """A bounded cache over a registry. What it gives depends on the version asked for alone, never on what it holds."""

    def __init__(self, registry: Registry, most: int) -> None:
        """`most` bounds the bytes of the arrays of the models held; the last one asked for is held in any case."""
        self._registry = registry
        self._most = most
        self._bundles: OrderedDict[tuple[str, str, str], Bundle] = OrderedDict()
        self._models: OrderedDict[tuple[str, str], tuple[PeriodModel, int]] = OrderedDict()
        self.bytes = 0
        """Of the arrays of all models in memory."""

    def bundle(self, profile: str, scope: str, version: str) -> Bundle:
        """The bundle's head. Raises `RegistryError` or `BundleError`."""
        key = (profile, scope, version)
        found = self._bundles.get(key)
        if found is None:
            found = self._registry.open(profile, scope, version)
            self._bundles[key] = found
            while len(self._bundles) > _HEADS:
                self._bundles.popitem(last=False)
        self._bundles.move_to_end(key)
        return found

    def model(self, bundle: Bundle, period: str) -> PeriodModel:
        """One period's model, checked against its hash when it is loaded. Raises `RegistryError` or `BundleError`."""
        key = (bundle.version, period)
        held = self._models.get(key)
        if held is None:
            model = bundle.period(period)
            held = model, sum(array.nbytes for array in model.to_arrays().values())
            self._models[key] = held
            self.bytes += held[1]
            while self.bytes > self._most and len(self._models) > 1:
                _, (_, gone) = self._models.popitem(last=False)
                self.bytes -= gone
        self._models.move_to_end(key)
        return held[0]

    @property
    def loaded(self) -> int:
        """How many periods' models are in memory."""
        return len(self._models)
