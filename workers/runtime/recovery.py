"""Where an assigned partition goes on from: one pure decision, taken from what the broker and Redis say."""

from __future__ import annotations

from dataclasses import dataclass

from workers.runtime.metadata import CheckpointRef, CommitMetadata


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about an assigned partition.

    `committed` is the stable committed offset, None if the group never committed; `metadata` what it carried, if it
    was ours. `log_start` and `log_end` bound the offsets that can be read; `start_at` is where a group begins that
    never committed.
    """

    committed: int | None
    metadata: CommitMetadata | None
    topic_id: str
    partitions: int
    config_hash: str
    log_start: int
    log_end: int
    start_at: int
    max_replay: int
    accept_cold_state: bool


@dataclass(frozen=True, slots=True)
class Fresh:
    """Empty state at `offset`; everything from there counts."""

    offset: int


@dataclass(frozen=True, slots=True)
class Restore:
    """Load exactly this checkpoint, replay muted from its offset up to `until`, then go on."""

    checkpoint: CheckpointRef
    until: int
    position: int


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Empty state with `watermark` at `offset`, replay muted up to `until`, then go on.

    `warming`: the configuration changed, so what is rebuilt is not what had been there.
    """

    offset: int
    watermark: int
    until: int
    position: int
    warming: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing can go on from here without losing the promise; an operator has to decide."""

    reason: str
    way_out: str


Plan = Fresh | Restore | Rebuild | Stop

_COLD = "Restart with --accept-cold-state to go on with empty state from the oldest record that is left"


def plan(situation: Situation, checkpoint_usable: bool = True) -> Plan:
    """Decide where to go on.

    Called again with `checkpoint_usable=False` when the named checkpoint turned out to be missing, incomplete or
    different from its digest. "The newest checkpoint not above the offset" is never an option: half-lost state looks
    healthy.
    """
    s = situation
    if s.committed is None:
        return Fresh(s.start_at)
    if s.metadata is not None and s.metadata.of_another_topic(s.topic_id):
        return Fresh(s.log_start)  # the topic was recreated: the old offsets say nothing about it
    if s.committed < s.log_start:
        if s.accept_cold_state:
            return _cold(s.metadata, s.log_start, position=0) if s.metadata else Fresh(s.log_start)
        return Stop(f"the committed offset {s.committed} has expired; the log starts at {s.log_start}", _COLD)
    if s.committed > s.log_end:
        return Stop(
            f"the committed offset {s.committed} lies behind the log's end {s.log_end}: the log was truncated",
            "Restore the topic, or reset the group's offsets and restart",
        )
    if s.metadata is None:
        return Fresh(s.committed)
    if s.metadata.partitions != s.partitions and not s.accept_cold_state:
        return Stop(
            f"the input topic has {s.partitions} partitions now and had {s.metadata.partitions}: keys have moved",
            "Drain into a new namespace, or restart with --accept-cold-state to keep the offsets and lose the windows",
        )
    return _from_metadata(s, s.metadata, s.committed, checkpoint_usable)


def _from_metadata(s: Situation, metadata: CommitMetadata, committed: int, checkpoint_usable: bool) -> Plan:
    same_config = metadata.config_hash == s.config_hash
    checkpoint = metadata.checkpoint
    if (
        checkpoint is not None
        and checkpoint_usable
        and same_config
        and s.log_start <= checkpoint.offset <= committed  # a state ahead of the offset would skip records
    ):
        return Restore(checkpoint, committed, metadata.position)
    if metadata.rebuild.offset < s.log_start:
        if s.accept_cold_state:
            return _cold(metadata, committed, metadata.position)
        return Stop(
            f"state has to be rebuilt from offset {metadata.rebuild.offset}, and the log starts at {s.log_start}",
            _COLD + "; longer retention of the input topic (at least twice the longest memory) avoids it",
        )
    replay = committed - metadata.rebuild.offset
    if replay > s.max_replay:
        if s.accept_cold_state:
            return _cold(metadata, committed, metadata.position)
        return Stop(
            f"rebuilding would replay {replay} records, more than the bound of {s.max_replay}",
            "Raise FAULTLINE_WORKER__MAX_REPLAY_RECORDS, or restart with --accept-cold-state",
        )
    return Rebuild(
        metadata.rebuild.offset, metadata.rebuild.watermark, committed, metadata.position, warming=not same_config
    )


def _cold(metadata: CommitMetadata, offset: int, position: int) -> Rebuild:
    """Finite memory is lost, logged state is not, and time does not run backwards."""
    return Rebuild(offset, metadata.watermark, offset, position, warming=True)
