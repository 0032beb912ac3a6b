"""The page of features is the code's own."""

from __future__ import annotations

from pathlib import Path

from models.features.catalogue import render
from models.features.event import EVENT
from models.features.generic import GENERIC, generic_names
from models.features.host import HOST
from models.features.known import FEATURE_SETS
from models.features.logs import LOGS
from models.features.service import SERVICE

PAGE = Path(__file__).parents[3] / "docs" / "features.md"


def test_the_page_is_up_to_date() -> None:
    told = "write it anew: python -m models.features.catalogue > docs/features.md"
    assert PAGE.read_text(encoding="utf-8") == render(), told


def test_every_feature_has_a_line_with_unit_and_formula() -> None:
    lines = [line for line in render().splitlines() if line.startswith("| `")]
    features = [f for one in (SERVICE, HOST, GENERIC, EVENT, LOGS) for f in one.features]
    assert len(lines) == len(features)
    assert all(f.unit and f.formula for f in features)


def test_a_reader_finds_static_sets_by_hash_and_generic_vectors_carry_names() -> None:
    assert FEATURE_SETS[HOST.hash] is HOST
    assert FEATURE_SETS[EVENT.hash] is EVENT
    assert GENERIC.hash not in FEATURE_SETS
    assert generic_names(["cpu_ratio"])[:2] == ("cpu_ratio", "cpu_ratio__mean_5")
