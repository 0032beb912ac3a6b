"""What a commit says about itself survives the broker, and nothing else is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.metadata import CheckpointRef, CommitMetadata
from workers.runtime.stage import NO_WATERMARK, RebuildPoint

big = st.integers(0, 2**62)
word = st.text("0123456789abcdefABCDEF-_", min_size=1, max_size=24)
metadata = st.builds(
    CommitMetadata,
    checkpoint=st.none() | st.builds(CheckpointRef, st.just("f" * 32), big, st.just("d" * 24)),
    watermark=st.integers(NO_WATERMARK, 2**62),
    rebuild=st.builds(RebuildPoint, big, st.integers(NO_WATERMARK, 2**62)),
    topic_id=word | st.just(""),
    partitions=st.integers(1, 100_000),
    config_hash=st.just("c" * 32),
    control=big,
    position=big,
    logged_from=big,
)


@given(metadata)
def test_metadata_comes_back_as_it_was_and_fits_well_below_the_brokers_limit(written: CommitMetadata) -> None:
    text = written.encode()
    assert CommitMetadata.decode(text) == written
    assert len(text.encode("ascii")) < 400


@given(st.text() | st.none())
def test_what_others_wrote_is_no_metadata(text: str | None) -> None:
    assert CommitMetadata.decode(text) is None


@pytest.mark.parametrize("place", range(1, 10))
def test_a_damaged_field_is_no_metadata_but_for_the_free_texts(place: int) -> None:
    whole = CommitMetadata(CheckpointRef("id", 7, "d"), 1, RebuildPoint(2, 3), "topic", 4, "config").encode()
    fields = whole.split(";")
    fields[place] = "x,y"
    decoded = CommitMetadata.decode(";".join(fields))
    assert (decoded is None) == (place not in (4, 6))


def test_metadata_that_would_be_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 400"):
        CommitMetadata(None, 0, RebuildPoint(0, 0), "t" * 400, 1, "c").encode()


@pytest.mark.parametrize(("then", "now", "another"), [("a", "b", True), ("a", "a", False), ("", "b", False)])
def test_a_topic_is_another_only_if_both_ids_are_known_and_differ(then: str, now: str, another: bool) -> None:
    committed = CommitMetadata(None, 0, RebuildPoint(0, 0), then, 1, "c")
    assert committed.of_another_topic(now) is another
    assert committed.of_another_topic("") is False
