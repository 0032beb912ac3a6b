"""Whatever the files of a bundle hold, with hashes that fit: it is refused by name, or it scores within the contract.

Of every detector there is, and of all that is around it. Nothing in a file is ever executed: the pickles here would end
the process.
"""

from __future__ import annotations

import io
import zipfile
from itertools import combinations
from random import Random

import numpy as np
import pytest

from models.arrays import ArrayError, unpack
from models.detectors import Autoencoder, BoostedTrees, Lstm, OwnModel
from models.detectors.base import GRAPH, UBJ
from tests.models.every_detector import (
    KINDS,
    arrays_of,
    bundle,
    check_scores,
    load,
    own_file_of,
    refused,
    with_file,
    with_own_file,
)
from tests.support.evil_arrays import archive, drawn, every, stored
from tests.support.mutation import mutants

VIEWS = ("rolling", "steps", "sequence", "daily", "now")
OWN_FILES = {Autoencoder.kind: GRAPH, Lstm.kind: GRAPH, OwnModel.kind: GRAPH, BoostedTrees.kind: UBJ}


@pytest.mark.parametrize("kind", KINDS)
def test_a_detectors_arrays_are_refused_by_name_or_score(kind: str) -> None:
    whole = bundle(kind)
    check_scores(load(whole))
    arrays = arrays_of(whole)
    plain = {name: stored(array) for name, array in arrays.items()}
    own = [name for name in arrays if name.startswith("0/detector/")]
    found = []
    for name in own:
        found += [refused(with_file(whole, archive({**plain, name: blob}))) for _, blob in every(arrays[name])]
        without = {one: blob for one, blob in plain.items() if one != name}
        assert refused(with_file(whole, archive(without)))
    for a, b in combinations(own, 2):
        found.append(refused(with_file(whole, archive({**plain, a: plain[b], b: plain[a]}))))
    assert sum(found) > 0.4 * len(found)


def test_arrays_around_a_detector_are_refused_by_name_or_score() -> None:
    whole = bundle("deviation")
    arrays = arrays_of(whole)
    plain = {name: stored(array) for name, array in arrays.items()}
    random = Random(0)
    for name, array in arrays.items():
        changes = list(every(array))
        for _, blob in random.sample(changes, len(changes) // 5):
            refused(with_file(whole, archive({**plain, name: blob})))
        without = {one: blob for one, blob in plain.items() if one != name}
        assert refused(with_file(whole, archive(without)))


@pytest.mark.parametrize("view", VIEWS)
def test_several_arrays_changed_by_chance_are_refused_by_name_or_score_in_every_view(view: str) -> None:
    whole = bundle("mahalanobis" if view == "sequence" else "deviation", view)
    check_scores(load(whole))
    arrays = arrays_of(whole)
    plain = {name: stored(array) for name, array in arrays.items()}
    random = Random(view)
    for _ in range(60):
        chosen = random.sample(sorted(arrays), random.choice((1, 1, 2, 3)))
        refused(with_file(whole, archive({**plain, **{name: drawn(random, arrays[name]) for name in chosen}})))


@pytest.mark.parametrize(("kind", "array"), OWN_FILES.items())
def test_graphs_and_trees_changed_by_chance_are_refused_by_name_or_score(kind: str, array: str) -> None:
    whole = bundle(kind)
    blob = whole[own_file_of(whole, array)]
    assert not refused(with_own_file(whole, array, blob))
    assert refused(with_own_file(whole, array, b""))
    assert refused(with_own_file(whole, array, blob[: len(blob) // 2]))
    for other in mutants([blob], 60, seed=1):
        refused(with_own_file(whole, array, other))


def test_an_array_that_no_part_knows_is_refused() -> None:
    whole = bundle("neighbours")
    plain = {name: stored(array) for name, array in arrays_of(whole).items()}
    for more in ("0/detector/more", "more", "2/weight", "7/detector/graph"):
        assert refused(with_file(whole, archive({**plain, more: stored(np.zeros(32, np.uint8))})))


def test_an_archive_whose_arrays_share_their_bytes_is_refused() -> None:
    whole = archive({"a": stored(np.zeros(1_000)), "b": stored(np.ones(1_000))})
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        first, second = file.infolist()
    central = bytearray(whole)
    at = central.rindex(b"PK\x01\x02") + 42  # where the second entry says that its bytes begin
    assert int.from_bytes(central[at : at + 4], "little") == second.header_offset
    central[at : at + 4] = first.header_offset.to_bytes(4, "little")
    with pytest.raises(ArrayError):
        unpack(bytes(central))


@pytest.mark.parametrize("shape", [(10**12, 0), (0, 10**12)])
def test_an_array_of_nothing_without_end_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ArrayError, match="1000000000000"):
        unpack(archive({"a": stored(np.empty(shape))}))


def test_two_arrays_of_one_name_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.npy", stored(np.zeros(3)))
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.npy", stored(np.ones(3)))
    with pytest.raises(ArrayError, match="one name"):
        unpack(out.getvalue())
