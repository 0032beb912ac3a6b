"""The model notices a runtime that is broken on purpose: one mutant for every rule that the promise rests on.

A rule whose mutant survives is either not needed or not tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.model.broker import Broker
from tests.model.schedules import Build, gives_up, run, silence
from tests.model.sink import ModelSink
from tests.model.source import ModelSource
from tests.model.tuned import Tuned
from tests.model.world import LOG, OUT, Plan
from tests.support.toy_stages import Tally
from workers.runtime import loading, partitions, transaction
from workers.runtime.checkpoints import CheckpointChain, Manifest
from workers.runtime.loop import Loop
from workers.runtime.metadata import CommitMetadata
from workers.runtime.partitions import Partition
from workers.runtime.recovery import Rebuild, plan
from workers.runtime.slices import Progress, Verdict
from workers.runtime.stage import NO_WATERMARK
from workers.runtime.transaction import Transaction

Patch = pytest.MonkeyPatch
Mutate = Callable[[Patch], None]
_MOST_SEEDS = 600


def takes_unknown_for_done(patch: Patch) -> None:
    patch.setattr(transaction, "resolve", lambda start, end, found: Verdict.DONE)
    patch.setattr(transaction, "_verdict", lambda part, ours, found: Verdict.DONE)


def takes_unknown_for_failed(patch: Patch) -> None:
    patch.setattr(transaction, "_verdict", lambda part, ours, found: Verdict.AGAIN)


def reads_offsets_that_are_not_stable(patch: Patch) -> None:
    patch.setattr(Broker, "unstable", lambda self, tp: False)


def steps_records_twice(patch: Patch) -> None:
    patch.setattr(Partition, "accept", lambda self, records: records)


def does_not_seek_after_a_failed_poll(patch: Patch) -> None:
    patch.setattr(Loop, "_seek", lambda self, partition: None)


def replays_aloud(patch: Patch) -> None:
    def aloud(partition: Any, stage: Any, records: Any) -> Iterator[Any]:
        for chunk in stage.step(partition.state, records):
            yield chunk, records

    patch.setattr("workers.runtime.loop.stepped", aloud)


def forgets_the_position_inside_a_record(patch: Patch) -> None:
    def whole(partition: Any, stage: Any, record: Any) -> Iterator[Any]:
        for chunk in stage.step(partition.state, record):
            yield chunk, record

    patch.setattr(partitions, "_resumed", whole)


def keeps_lost_partitions(patch: Patch) -> None:
    patch.setattr(Loop, "on_lost", lambda self, partitions: None)


def keeps_revoked_partitions(patch: Patch) -> None:
    patch.setattr(Loop, "on_revoked", lambda self, partitions: None)


def sends_without_fencing_by_generation(patch: Patch) -> None:
    patch.setattr("tests.model.group.Group.check", lambda self, name, generation: None)


def opens_a_new_identity_when_fenced(patch: Patch) -> None:
    """A producer under another id leaves the old one's transaction to be decided later."""

    def reopen(self: Any) -> None:
        self._name += "'"
        self._epoch = self._broker.open_producer(self._name)

    patch.setattr(ModelSink, "reopen", reopen)
    patch.setattr(Broker, "unstable", lambda self, tp: False)


def checkpoints_in_the_middle_of_a_step(patch: Patch) -> None:
    def everything(self: Any, slices: Any) -> None:
        for tp in slices:
            self._write_checkpoint(self.partitions[tp], self.clock.monotonic())

    patch.setattr(Loop, "_checkpoint", everything)


def names_a_checkpoint_of_another_offset(patch: Patch) -> None:
    real = CheckpointChain.write
    patch.setattr(CheckpointChain, "write", lambda self, parts, offset: real(self, parts, offset - 1))


def goes_on_with_half_a_checkpoint(patch: Patch) -> None:
    def half(self: Any, ref: Any) -> Any:
        manifest = self.store.read(self.scope, [ref.id])[0]
        if manifest is None:
            return None
        parts = Manifest.decode(manifest).parts
        found = {n: self.store.read(self.scope, [k for k, _ in p.pieces]) for n, p in parts.items()}
        self.ref = ref
        whole = {name: b"".join(pieces) for name, pieces in found.items() if None not in pieces}
        return whole if {"totals", "time"} <= whole.keys() else None

    patch.setattr(CheckpointChain, "load", half)


def deletes_checkpoints_before_the_commit(patch: Patch) -> None:
    real = CheckpointChain.write

    def eager(self: Any, parts: Any, offset: int) -> Any:
        ref = real(self, parts, offset)
        self.collect()
        return ref

    patch.setattr(CheckpointChain, "write", eager)


def sweeps_what_lies_there_now(patch: Patch) -> None:
    real = CheckpointChain.collect

    def now(self: Any) -> None:
        self.strays = self.store.keys(self.scope)
        real(self)

    patch.setattr(CheckpointChain, "collect", now)


def never_notices_that_redis_lost_parts(patch: Patch) -> None:
    patch.setattr(CheckpointChain, "_still_there", lambda self: self.written.parts if self.written else {})


def rebuilds_without_the_watermark(patch: Patch) -> None:
    def timeless(situation: Any, checkpoint_usable: bool = True) -> Any:
        decided = plan(situation, checkpoint_usable)
        if isinstance(decided, Rebuild):
            return Rebuild(decided.offset, NO_WATERMARK, decided.until, decided.position, decided.warming)
        return decided

    patch.setattr(loading, "plan", timeless)


def rebuilds_from_the_committed_offset(patch: Patch) -> None:
    def empty(situation: Any, checkpoint_usable: bool = True) -> Any:
        decided = plan(situation, checkpoint_usable)
        if isinstance(decided, Rebuild):
            return Rebuild(decided.until, decided.watermark, decided.until, decided.position, decided.warming)
        return decided

    patch.setattr(loading, "plan", empty)


def forgets_the_logged_state(patch: Patch) -> None:
    patch.setattr(ModelSource, "logged", lambda self, topic, partition, start, timeout: [])


def takes_a_passing_trouble_for_a_new_topic(patch: Patch) -> None:
    patch.setattr(CommitMetadata, "of_another_topic", lambda self, topic_id: self.topic_id != topic_id)
    patch.setattr(loading, "TopicInfo", lambda id, partitions: type("Info", (), {"id": "", "partitions": partitions}))


def sends_again_what_was_done(patch: Patch) -> None:
    real = Transaction._judge

    def impatient(self: Any, slices: Any, metadata: Any) -> Any:
        found = real(self, slices, metadata)
        return {tp: Verdict.AGAIN if v is Verdict.DONE else v for tp, v in found.items()}

    patch.setattr(Transaction, "_judge", impatient)


def commits_once_more_after_giving_up(patch: Patch) -> None:
    real = Loop.on_revoked

    def once_more(self: Any, tps: Any) -> None:
        self._failure = None
        real(self, tps)

    patch.setattr(Loop, "on_revoked", once_more)
    patch.setattr(Transaction, "_judge", gives_up)


def never_commits_behind_markers(patch: Patch) -> None:
    patch.setattr(Partition, "ended", lambda self, offset: None)


def keeps_a_checkpoint_older_than_a_control_record(patch: Patch) -> None:
    patch.setattr(CheckpointChain, "drop", lambda self: None)


def applies_control_records_without_logging_them(patch: Patch) -> None:
    real = Tuned.take_up

    def unlogged(self: Any, state: Any, offset: int, controls: Any) -> Any:
        real(self, state, offset, controls)
        return []

    patch.setattr(Tuned, "take_up", unlogged)


def takes_control_records_up_again_after_a_reload(patch: Patch) -> None:
    real = Loop._load

    def forgetful(self: Any) -> None:
        known = set(self.partitions)
        real(self)
        for tp in self.partitions.keys() - known:
            part = self.partitions[tp].slice
            part.end = Progress(part.end.offset, part.end.position, 0)

    patch.setattr(Loop, "_load", forgetful)


MUTANTS_OF_CONTROLS: tuple[Mutate, ...] = (
    keeps_a_checkpoint_older_than_a_control_record,
    applies_control_records_without_logging_them,
    takes_control_records_up_again_after_a_reload,
)

MUTANTS: tuple[Mutate, ...] = (
    takes_unknown_for_done,
    takes_unknown_for_failed,
    reads_offsets_that_are_not_stable,
    steps_records_twice,
    does_not_seek_after_a_failed_poll,
    replays_aloud,
    forgets_the_position_inside_a_record,
    keeps_lost_partitions,
    keeps_revoked_partitions,
    sends_without_fencing_by_generation,
    opens_a_new_identity_when_fenced,
    checkpoints_in_the_middle_of_a_step,
    names_a_checkpoint_of_another_offset,
    goes_on_with_half_a_checkpoint,
    deletes_checkpoints_before_the_commit,
    sweeps_what_lies_there_now,
    never_notices_that_redis_lost_parts,
    rebuilds_without_the_watermark,
    rebuilds_from_the_committed_offset,
    forgets_the_logged_state,
    takes_a_passing_trouble_for_a_new_topic,
    sends_again_what_was_done,
    commits_once_more_after_giving_up,
    never_commits_behind_markers,
)


@pytest.fixture(autouse=True)
def quiet() -> None:
    silence()


def _noticed(build: Build) -> bool:
    return any(run(Plan(seed), build)[1] is not None for seed in range(_MOST_SEEDS))


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_the_model_notices_a_runtime_that(mutate: Mutate, monkeypatch: Patch) -> None:
    mutate(monkeypatch)
    assert _noticed(lambda: Tally(OUT, LOG)), f"{_MOST_SEEDS} schedules went well"


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTANTS_OF_CONTROLS, ids=lambda mutate: mutate.__name__)
def test_the_model_notices_a_runtime_that_for_control_records(mutate: Mutate, monkeypatch: Patch) -> None:
    mutate(monkeypatch)
    assert _noticed(lambda: Tuned(OUT, LOG)), f"{_MOST_SEEDS} schedules went well"
