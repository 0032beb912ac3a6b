"""Where an assigned partition goes on from, case by case."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from workers.runtime.metadata import CheckpointRef, CommitMetadata
from workers.runtime.recovery import Fresh, Rebuild, Restore, Situation, Stop, plan
from workers.runtime.stage import RebuildPoint

CHECKPOINT = CheckpointRef("c1", 90, "d1")
METADATA = CommitMetadata(CHECKPOINT, 5_000, RebuildPoint(40, 3_000), "topic-1", 4, "config-1", position=2)
USUAL = Situation(
    committed=100,
    metadata=METADATA,
    topic_id="topic-1",
    partitions=4,
    config_hash="config-1",
    log_start=0,
    log_end=200,
    start_at=0,
    max_replay=1_000,
    accept_cold_state=False,
)
REBUILT = Rebuild(40, 3_000, until=100, position=2, warming=False)


def test_a_named_checkpoint_is_restored_and_replayed_up_to_the_committed_offset() -> None:
    assert plan(USUAL) == Restore(CHECKPOINT, until=100, position=2)


def test_a_checkpoint_that_is_gone_or_different_leads_to_a_rebuild_from_the_rebuild_point() -> None:
    assert plan(USUAL, checkpoint_usable=False) == REBUILT


def test_a_commit_without_a_checkpoint_leads_to_a_rebuild() -> None:
    assert plan(replace(USUAL, metadata=replace(METADATA, checkpoint=None))) == REBUILT


def test_a_checkpoint_of_a_later_offset_is_never_used() -> None:
    ahead = replace(METADATA, checkpoint=CheckpointRef("c2", 101, "d2"))
    assert plan(replace(USUAL, metadata=ahead)) == REBUILT


def test_a_checkpoint_whose_replay_has_expired_is_not_used() -> None:
    decided = plan(replace(USUAL, log_start=95))
    assert isinstance(decided, Stop)
    assert "rebuilt from offset 40" in decided.reason


def test_a_group_that_never_committed_begins_where_the_setting_says() -> None:
    assert plan(replace(USUAL, committed=None, metadata=None, start_at=77)) == Fresh(77)


def test_an_offset_of_another_tool_is_begun_at_with_empty_state() -> None:
    assert plan(replace(USUAL, metadata=None)) == Fresh(100)


def test_a_recreated_topic_is_begun_at_its_start() -> None:
    assert plan(replace(USUAL, topic_id="topic-2", log_start=3, log_end=10)) == Fresh(3)


def test_a_broker_that_tells_no_topic_id_has_not_recreated_the_topic() -> None:
    assert plan(replace(USUAL, topic_id="")) == plan(USUAL)
    assert plan(replace(USUAL, metadata=replace(METADATA, topic_id=""))) == plan(USUAL)


def test_an_expired_committed_offset_stops_and_says_how_to_go_on() -> None:
    decided = plan(replace(USUAL, log_start=101))
    assert isinstance(decided, Stop)
    assert "--accept-cold-state" in decided.way_out


def test_an_expired_committed_offset_once_accepted_keeps_the_watermark() -> None:
    decided = plan(replace(USUAL, log_start=101, accept_cold_state=True))
    assert decided == Rebuild(101, 5_000, until=101, position=0, warming=True)


def test_a_truncated_log_stops_even_where_cold_state_is_accepted() -> None:
    for accepted in (False, True):
        decided = plan(replace(USUAL, log_end=99, accept_cold_state=accepted))
        assert isinstance(decided, Stop)
        assert "truncated" in decided.reason


def test_more_partitions_than_before_stop() -> None:
    decided = plan(replace(USUAL, partitions=8))
    assert isinstance(decided, Stop)
    assert "8 partitions now and had 4" in decided.reason


def test_more_partitions_once_accepted_keep_offsets_and_state() -> None:
    assert plan(replace(USUAL, partitions=8, accept_cold_state=True)) == plan(USUAL)


def test_a_changed_configuration_rebuilds_and_says_that_windows_warm_up() -> None:
    assert plan(replace(USUAL, config_hash="config-2")) == replace(REBUILT, warming=True)


def test_a_rebuild_longer_than_the_bound_stops_and_names_the_setting() -> None:
    decided = plan(replace(USUAL, max_replay=59), checkpoint_usable=False)
    assert isinstance(decided, Stop)
    assert "60 records" in decided.reason
    assert "FAULTLINE_WORKER__MAX_REPLAY_RECORDS" in decided.way_out
    assert plan(replace(USUAL, max_replay=60), checkpoint_usable=False) == REBUILT


def test_a_rebuild_that_is_too_long_once_accepted_starts_cold_inside_the_same_record() -> None:
    decided = plan(replace(USUAL, max_replay=1, accept_cold_state=True), checkpoint_usable=False)
    assert decided == Rebuild(100, 5_000, until=100, position=2, warming=True)


@given(
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 300),
    st.booleans(),
    st.booleans(),
)
def test_no_situation_skips_or_repeats_a_record_silently(
    committed: int, checkpoint: int, rebuild: int, log_start: int, log_end: int, usable: bool, accept: bool
) -> None:
    metadata = replace(
        METADATA, checkpoint=CheckpointRef("c", checkpoint, "d"), rebuild=RebuildPoint(min(rebuild, committed), 1)
    )
    situation = replace(
        USUAL, committed=committed, metadata=metadata, log_start=log_start, log_end=log_end, accept_cold_state=accept
    )
    decided = plan(situation, usable)
    if isinstance(decided, Restore):
        assert usable
        assert log_start <= decided.checkpoint.offset <= decided.until == committed
    elif isinstance(decided, Rebuild):
        assert log_start <= decided.offset <= decided.until
        assert decided.until == max(committed, log_start)
        assert decided.until == committed or accept
    else:
        assert isinstance(decided, Stop)
