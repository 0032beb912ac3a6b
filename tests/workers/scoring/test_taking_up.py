"""Aliases come into force at an offset that is logged, and only once their versions have loaded whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.fallback import MODEL_VERSION
from models.registry import Aliases, Registry
from schemas.records import decode, encode
from tests.contract.stage_contract import Run, run
from tests.workers.scoring.vectors import LOG, SCORES, promote, records, stage, traffic, trained
from workers.runtime.records import Output
from workers.runtime.stage import NO_WATERMARK, Control, Controlled, Logged
from workers.scoring.aliases import KEPT, SHARDS, AliasTable, TakeUp
from workers.scoring.controls import control_key, control_record

NAME = ("service", "global")
ENTITIES = ("a", "b")


def _control(offset: int, aliases: Aliases, name: tuple[str, str] = NAME) -> Control:
    value = encode("Control", [control_record(name, aliases, 1_000_000, "test")])[0]
    return Control(offset, control_key(name), value)


def _versions(result: Run) -> list[str]:
    found, _ = decode("Score", result.values(SCORES))
    return [score["model"]["version"] for score in found if score is not None]


def _logged(outputs: list[Output]) -> list[Logged]:
    """Of aliases; thresholds are logged there too."""
    return [Logged(o.key, o.value) for o in outputs if o.topic == LOG and o.key and o.value and _of_aliases(o.key)]


def _log_of(result: Run) -> list[Logged]:
    logged = [Logged(key, value) for _, topic, key, value, _, _ in result.outputs if topic == LOG and key and value]
    return [one for one in logged if _of_aliases(one.key)]


def _of_aliases(key: bytes) -> bool:
    return key.startswith(b"aliases/")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, str, str]:
    """A registry with two versions, of which the first is promoted."""
    registry = Registry(str(tmp_path))
    first, second = trained(), trained(seed=2)
    promote(registry, first)
    registry.save(second.manifest, second.files)
    return tmp_path, first.version, second.version


def test_the_stage_can_be_controlled() -> None:
    assert isinstance(stage(), Controlled)


def test_the_first_record_puts_the_registrys_aliases_into_force_and_logs_all_shards(two: tuple[Path, str, str]) -> None:
    folder, first, _ = two
    one = stage(folder)
    result = run(one, one.start(3, NO_WATERMARK, []), records(traffic(ENTITIES, 3)))
    assert set(_versions(result)) == {first}
    assert [output[1] for output in result.outputs[:SHARDS]] == [LOG] * SHARDS
    assert all(_of_aliases(output[2] or b"") for output in result.outputs[:SHARDS])
    assert len(_log_of(result)) == SHARDS


def test_a_restarted_worker_keeps_what_was_logged_though_the_registry_moved_on(two: tuple[Path, str, str]) -> None:
    folder, first, second = two
    one = stage(folder)
    logged = _log_of(run(one, one.start(3, NO_WATERMARK, []), records(traffic(ENTITIES, 1))))
    Registry(str(folder)).promote("service", "global", Aliases(second))
    again = stage(folder)
    result = run(again, again.start(3, 0, logged), records(traffic(ENTITIES, 3), first=102))
    assert set(_versions(result)) == {first}
    assert not _log_of(result)


def test_a_control_record_switches_from_its_offset_on(two: tuple[Path, str, str]) -> None:
    folder, first, second = two
    one = stage(folder)
    state = one.start(3, NO_WATERMARK, [])
    values = traffic(ENTITIES, 10)
    before = run(one, state, records(values[:7]))
    outputs = one.take_up(state, 107, [_control(5, Aliases(second))])
    after = run(one, state, records(values[7:], first=107))
    assert set(_versions(before)) == {first}
    assert set(_versions(after)) == {second}
    assert [output.topic for output in outputs] == [LOG]


def test_a_replay_scores_every_record_under_what_was_in_force_there(two: tuple[Path, str, str]) -> None:
    folder, _, second = two
    one = stage(folder)
    state = one.start(3, NO_WATERMARK, [])
    values = traffic(ENTITIES, 10)
    head = run(one, state, records(values[:7]))
    taken = _logged(one.take_up(state, 107, [_control(5, Aliases(second))]))
    tail = run(one, state, records(values[7:], first=107))
    again = stage(folder)
    replayed = run(again, again.start(3, NO_WATERMARK, _compacted(_log_of(head) + taken)), records(values), cut=6)
    assert replayed.values(SCORES) == head.values(SCORES) + tail.values(SCORES)


def test_taking_the_same_controls_up_again_changes_nothing(two: tuple[Path, str, str]) -> None:
    folder, first, second = two
    one = stage(folder)
    state = one.start(3, NO_WATERMARK, [])
    one.take_up(state, 100, [_control(5, Aliases(second))])
    assert one.take_up(state, 101, [_control(5, Aliases(second))]) == []
    assert one.take_up(state, 101, [_control(3, Aliases(first))]) == [], "an older control record came late"


def test_a_version_that_does_not_load_whole_is_not_put_into_force(two: tuple[Path, str, str]) -> None:
    folder, first, second = two
    damaged = next((folder / "service" / "global" / second).rglob("all.npz"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    one = stage(folder)
    state = one.start(3, NO_WATERMARK, [])
    run(one, state, records(traffic(ENTITIES, 1)))
    assert one.take_up(state, 102, [_control(5, Aliases(second)), _control(6, Aliases("f" * 32))]) == []
    assert "is not there" in state.deferred[NAME]
    assert set(_versions(run(one, state, records(traffic(ENTITIES, 3), first=102)))) == {first}


def test_a_control_record_taken_back_leaves_the_fallback(two: tuple[Path, str, str]) -> None:
    folder, _, _ = two
    one = stage(folder)
    state = one.start(3, NO_WATERMARK, [])
    one.take_up(state, 100, [Control(5, control_key(NAME), None)])
    assert set(_versions(run(one, state, records(traffic(ENTITIES, 2))))) == {MODEL_VERSION}


@pytest.mark.parametrize(
    "control",
    [
        Control(1, b"silence/night", b"{}"),
        Control(1, b"alias/service/global", b"garbage"),
        Control(1, b"alias/service/nonsense", None),
        _control(1, Aliases("../../etc")),
    ],
)
def test_other_and_damaged_control_records_are_passed_over(two: tuple[Path, str, str], control: Control) -> None:
    one = stage(two[0])
    state = one.start(3, NO_WATERMARK, [])
    run(one, state, records(traffic(ENTITIES, 1)))
    assert one.take_up(state, 102, [control]) == []


def test_a_stage_without_a_registry_defers_what_it_is_told_to_use() -> None:
    one = stage()
    state = one.start(3, NO_WATERMARK, [])
    one.take_up(state, 0, [_control(1, Aliases("a" * 32))])
    assert state.deferred[NAME] == "no registry is configured"


def test_the_table_remembers_a_bounded_history_and_survives_its_log() -> None:
    table = AliasTable()
    for i in range(20):
        table.put(NAME, TakeUp(10 * i, i, Aliases(f"v{i}")))
    again = AliasTable()
    for key, value in table.encode():
        assert again.decode(key, value)
    assert not again.decode(b"other", b"")
    for offset in (0, 125, 139, 140, 1_000):
        assert again.in_force(offset) == table.in_force(offset)
    assert again.in_force(135)[NAME].champion == "v13"
    assert again.in_force(0)[NAME].champion == f"v{20 - KEPT}"
    assert again.next_change(135) == 140
    assert again.next_change(190) is None


def test_the_first_take_up_of_a_partition_replaces_what_an_earlier_life_had_logged() -> None:
    old = AliasTable()
    old.put(NAME, TakeUp(5, 1, Aliases("old")))
    stale = [Logged(key, value) for key, value in old.encode()]
    one = stage()
    fresh = _log_of(run(one, one.start(3, NO_WATERMARK, []), records(traffic(ENTITIES, 1))))
    state = one.start(3, 0, _compacted(stale + fresh))
    assert state.aliases.in_force(1_000) == {}


def _compacted(logged: list[Logged]) -> list[Logged]:
    return list({entry.key: entry for entry in logged}.values())
