"""Templates are mined by Drain, frozen under their hash, and matched without ever changing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.logs.masking import MASK, mask, words
from models.logs.matching import NEW_SLOTS, NO_KIND, Matcher
from models.logs.mining import Miner, MiningPolicy
from models.logs.templates import Template, Templates, TemplatesError, load_templates, save_templates

LINES = [
    *(f"connection to 10.0.0.{i} refused" for i in range(50)),
    *(f"user {name} logged in from 10.1.1.{i}" for i, name in enumerate(["alice", "bob", "carol"] * 10)),
    *(["health check ok"] * 20),
    "disk /dev/sda1 is full",
]


def mined(policy: MiningPolicy | None = None) -> Templates:
    miner = Miner(policy)
    miner.take(LINES, at=(10, 20))
    return miner.freeze()


def test_lines_are_grouped_the_most_frequent_kind_first() -> None:
    found = mined()
    assert [(one.text, one.lines) for one in found.templates] == [
        ("connection to <*> refused", 50),
        ("user <*> logged in from <*>", 30),
        ("health check ok", 20),
        ("disk /dev/<*> is full", 1),
    ]
    assert found.templates[0].example == "connection to 10.0.0.0 refused"
    assert (found.lines, found.left_out, found.start, found.end) == (101, 0, 10, 20)


def test_blocks_and_repetitions_do_not_change_what_is_mined() -> None:
    miner = Miner()
    for first in range(0, len(LINES), 7):
        miner.take(LINES[first : first + 7], at=(10, 20))
    counted = Miner()
    distinct = list(dict.fromkeys(LINES))
    counted.take(distinct, np.array([LINES.count(text) for text in distinct]), (10, 20))
    assert miner.freeze().hash == counted.freeze().hash == mined().hash


def test_the_rarest_kinds_beyond_the_bound_are_left_out_and_told_of() -> None:
    found = mined(MiningPolicy(most=2, counted=1))
    assert (len(found.templates), found.counted, found.left_out) == (2, 1, 21)


def test_examples_can_be_left_out() -> None:
    assert not any(one.example for one in mined(MiningPolicy(examples=False)).templates)


def test_nothing_to_mine_is_said_so() -> None:
    miner = Miner()
    miner.take(["", " \n"])
    with pytest.raises(TemplatesError, match="attribute `message`"):
        miner.freeze()


@pytest.mark.parametrize("wrong", [{"similarity": 0.0}, {"most": 0}, {"counted": 257}])
def test_a_policy_out_of_bounds_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(TemplatesError):
        MiningPolicy(**wrong)  # type: ignore[arg-type]


def test_a_file_is_named_by_its_hash_and_gives_back_what_was_frozen(tmp_path: Path) -> None:
    found = mined()
    place = save_templates(found, str(tmp_path / "deep"))
    assert place.endswith(f"templates-{found.hash}.json")
    loaded = load_templates(place)
    assert (loaded, loaded.hash) == (found, found.hash)
    assert save_templates(loaded, str(tmp_path / "deep")) == place


def test_a_file_that_was_changed_renamed_or_cut_is_refused(tmp_path: Path) -> None:
    place = Path(save_templates(mined(), str(tmp_path)))
    blob = place.read_bytes()
    place.write_bytes(blob.replace(b"refused", b"allowed"))
    with pytest.raises(TemplatesError, match="another hash"):
        load_templates(str(place))
    place.write_bytes(blob[:-10])
    with pytest.raises(TemplatesError, match="another hash"):
        load_templates(str(place))
    with pytest.raises(TemplatesError, match="cannot be read"):
        load_templates(str(tmp_path / f"templates-{'0' * 32}.json"))
    with pytest.raises(TemplatesError, match="templates-<hash>"):
        load_templates(str(tmp_path / "mine.json"))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"masking": 99},
        {"counted": 999},
        {"counted": 100},
        {"counted": "3"},
        {"lines": -1},
        {"templates": [{"text": "", "lines": 1}]},
        {"templates": [{"text": "a " * 40, "lines": 1}]},
        {"templates": [{"text": "a b", "lines": 1}, {"text": "a b", "lines": 2}]},
        {"templates": [{"lines": 1}]},
        {"templates": 7},
    ],
)
def test_what_is_no_file_of_templates_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TemplatesError):
        Templates.decode(orjson.dumps(orjson.loads(mined().encode()) | change))


def test_secrets_of_an_address_are_not_told(tmp_path: Path) -> None:
    url = f"http://user:secret@localhost:1/templates-{'0' * 32}.json"
    with pytest.raises(TemplatesError) as told:
        load_templates(url)
    assert "secret" not in str(told.value)


WORDS = st.sampled_from(["a", "b", "c", MASK])


@settings(deadline=None)
@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=4).map(tuple), unique=True, max_size=12),
    st.lists(st.sampled_from(["a", "b", "c", "9"]), min_size=1, max_size=4),
)
def test_the_template_with_the_most_words_of_its_own_is_found(
    templates: list[tuple[str, ...]], said: list[str]
) -> None:
    frozen = Templates(tuple(Template(one, 1) for one in templates), 0, 1)
    (masked,) = mask([" ".join(said)])
    found = words(masked)
    fits = [
        (sum(word == MASK for word in one), place)
        for place, one in enumerate(templates)
        if len(one) == len(found) and all(mine in (MASK, word) for mine, word in zip(one, found, strict=True))
    ]
    assert Matcher(frozen).place(masked) == (min(fits)[1] if fits else -1)


def test_cells_of_counted_other_and_new_kinds() -> None:
    matcher = Matcher(replace(mined(), counted=2, _encoded=b""))
    kinds = matcher.kinds(["connection to 1.2.3.4 refused", "health check ok", "never said before", ""])
    assert kinds.cell.tolist()[:2] == [0, 2]
    assert 2 < kinds.cell[2] <= 2 + NEW_SLOTS == matcher.cells - 1
    assert (kinds.cell[3], kinds.bit[3]) == (NO_KIND, NO_KIND)
    again = Matcher(replace(mined(), counted=2, _encoded=b"")).kinds(["never said  before"])
    assert again.cell[0] == kinds.cell[2]


def test_metrics_are_short_distinct_and_safe_in_names() -> None:
    long = tuple(["same"] * 12)
    found = Templates((Template((*long, "a"), 2), Template((*long, "b"), 1), Template(('x__y="z"',), 1)), 3, 4)
    assert len(set(found.metrics)) == 3
    assert all(len(name) < 80 and "__" not in name and name.count('"') == 2 for name in found.metrics)
