"""Every detector holds the contract."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Self

import numpy as np
import pytest

from models.detectors import DETECTORS, Detector, OwnModel
from models.detectors.base import Matrix
from models.detectors.graphs import Graph
from tests.models.detectors.own_graphs import length


class FromFile(OwnModel):
    """A model of one's own that is fitted as the others are: to rows of any width."""

    @classmethod
    def fit(cls, X: Matrix, seed: int) -> Self:
        return cls.around(Graph.of(length()), X)


KINDS: dict[str, type[Detector]] = {**DETECTORS, OwnModel.kind: FromFile}


def _contract() -> ModuleType:
    place = Path(__file__).with_name("detector_contract.py")
    spec = importlib.util.spec_from_file_location("detector_contract", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONTRACT = _contract()
RULES = sorted(name for name in vars(CONTRACT) if name.startswith("assert_"))


@pytest.mark.parametrize("kind", sorted(DETECTORS))
@pytest.mark.parametrize("rule", RULES)
def test_every_detector_holds_every_rule_of_the_contract(kind: str, rule: str) -> None:
    check: Callable[[type[Detector]], None] = getattr(CONTRACT, rule)
    check(KINDS[kind])


@pytest.mark.parametrize("kind", sorted(DETECTORS))
def test_nothing_to_fit_on_is_refused(kind: str) -> None:
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="nothing to fit on"):
            KINDS[kind].fit(np.empty(shape), seed=0)


@pytest.mark.parametrize("kind", sorted(DETECTORS))
def test_a_detector_is_registered_under_its_own_name(kind: str) -> None:
    assert DETECTORS[kind].kind == kind
