"""What a `Store` and the chain of checkpoints over it hold, whatever keeps the values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from workers.runtime.checkpoints import MAX_VALUE, CheckpointChain
from workers.runtime.metadata import CheckpointRef
from workers.runtime.ports import Store
from workers.runtime.stage import Part

State = dict[str, tuple[int, bytes]]
"""Part by name: version and bytes."""


def parts(state: State) -> dict[str, Part]:
    def part(version: int, value: bytes) -> Part:
        return Part(version, lambda: value)

    return {name: part(*held) for name, held in state.items()}


def values(state: State) -> dict[str, bytes]:
    return {name: value for name, (_, value) in state.items()}


@dataclass(slots=True)
class Counted:
    """A store that counts what is written to it."""

    store: Store
    written: int = 0

    def write(self, scope: str, values: dict[str, bytes]) -> None:
        self.written += sum(map(len, values.values()))
        self.store.write(scope, values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


class CheckpointContract:
    """Inherit, and give the fixtures `store` and `scope` (one of its own for every test) and `destroy`."""

    @pytest.fixture
    def chain(self, store: Store, scope: str) -> CheckpointChain:
        return CheckpointChain(store, scope)

    def test_a_checkpoint_is_read_back_by_its_name(self, store: Store, scope: str, chain: CheckpointChain) -> None:
        state: State = {"a": (1, b"one"), "b": (4, b""), "c": (2, bytes(range(256)))}
        ref = chain.write(parts(state), 17)
        assert ref.offset == 17
        assert CheckpointChain(store, scope).load(ref) == values(state)

    def test_parts_beyond_the_largest_value_are_cut_and_joined(
        self, store: Store, scope: str, chain: CheckpointChain
    ) -> None:
        large = b"0123456789abcdef" * (MAX_VALUE // 16) + b"tail"
        ref = chain.write(parts({"large": (1, large)}), 1)
        assert len(store.keys(scope)) == 3
        assert CheckpointChain(store, scope).load(ref) == {"large": large}

    def test_only_parts_of_another_version_are_written_again(self, store: Store, scope: str) -> None:
        counted = Counted(store)
        chain = CheckpointChain(counted, scope)  # type: ignore[arg-type]
        large = b"x" * 50_000
        first: State = {"closed": (1, large), "open": (1, b"a")}
        chain.write(parts(first), 1)
        counted.written = 0
        second: State = {"closed": (1, large), "open": (2, b"ab"), "new": (1, b"n")}
        ref = chain.write(parts(second), 2)
        assert counted.written < 1_000
        assert CheckpointChain(store, scope).load(ref) == values(second)

    def test_every_earlier_checkpoint_that_a_commit_may_name_stays_whole(
        self, store: Store, scope: str, chain: CheckpointChain
    ) -> None:
        first: State = {"kept": (1, b"k"), "gone": (1, b"g")}
        one = chain.write(parts(first), 1)
        chain.collect()
        second: State = {"kept": (1, b"k"), "new": (1, b"n")}
        two = chain.write(parts(second), 2)
        assert CheckpointChain(store, scope).load(one) == values(first)
        chain.collect()
        assert CheckpointChain(store, scope).load(one) is None
        assert CheckpointChain(store, scope).load(two) == values(second)

    def test_after_a_commit_only_what_it_names_is_left(self, store: Store, scope: str, chain: CheckpointChain) -> None:
        for number in range(5):
            chain.write(parts({"a": (number, b"%d" % number), "b": (0, b"b")}), number)
        chain.collect()
        assert len(store.keys(scope)) == 3  # the manifest and two parts

    @pytest.mark.parametrize("which", ["manifest", "part"])
    def test_a_checkpoint_that_misses_anything_is_not_used_at_all(
        self, store: Store, scope: str, chain: CheckpointChain, which: str
    ) -> None:
        ref = chain.write(parts({"a": (1, b"a"), "b": (1, b"b")}), 1)
        others = store.keys(scope) - {ref.id}
        store.delete(scope, {ref.id} if which == "manifest" else {min(others)})
        assert CheckpointChain(store, scope).load(ref) is None

    def test_a_manifest_of_another_digest_is_not_used(self, store: Store, scope: str, chain: CheckpointChain) -> None:
        ref = chain.write(parts({"a": (1, b"a")}), 1)
        assert CheckpointChain(store, scope).load(CheckpointRef(ref.id, ref.offset, "0" * 24)) is None

    def test_a_part_with_other_bytes_than_the_manifest_says_is_not_used(
        self, store: Store, scope: str, chain: CheckpointChain, damage: Callable[[str, str], None]
    ) -> None:
        ref = chain.write(parts({"a": (1, b"a")}), 1)
        damage(scope, next(iter(store.keys(scope) - {ref.id})))
        assert CheckpointChain(store, scope).load(ref) is None

    def test_after_a_loss_the_next_checkpoint_is_whole_again(
        self, store: Store, scope: str, chain: CheckpointChain
    ) -> None:
        state: State = {"closed": (1, b"c"), "open": (1, b"o")}
        ref = chain.write(parts(state), 1)
        store.delete(scope, store.keys(scope) - {ref.id})
        state["open"] = (2, b"oo")
        ref = chain.write(parts(state), 2)
        assert CheckpointChain(store, scope).load(ref) == values(state)

    def test_a_restored_owner_compares_its_versions_with_nothing_written_before(
        self, store: Store, scope: str, chain: CheckpointChain
    ) -> None:
        ref = chain.write(parts({"a": (7, b"old")}), 1)
        heir = CheckpointChain(store, scope)
        heir.load(ref)
        ref = heir.write(parts({"a": (7, b"new")}), 2)
        assert CheckpointChain(store, scope).load(ref) == {"a": b"new"}

    def test_a_new_owner_sweeps_what_its_predecessors_left_and_keeps_what_the_commit_names(
        self, store: Store, scope: str, chain: CheckpointChain
    ) -> None:
        named = chain.write(parts({"a": (1, b"a")}), 1)
        chain.write(parts({"a": (2, b"never committed")}), 2)
        heir = CheckpointChain(store, scope)
        heir.adopt()
        heir.load(named)
        heir.collect()
        assert len(store.keys(scope)) == 2
        assert CheckpointChain(store, scope).load(named) == {"a": b"a"}

    def test_a_zombie_sweeps_nothing_of_its_successor(self, store: Store, scope: str, chain: CheckpointChain) -> None:
        chain.adopt()
        chain.write(parts({"a": (1, b"zombie")}), 1)
        heir = CheckpointChain(store, scope)
        heir.adopt()
        ref = heir.write(parts({"a": (1, b"heir")}), 1)
        chain.collect()
        assert CheckpointChain(store, scope).load(ref) == {"a": b"heir"}

    def test_an_empty_state_names_no_checkpoint_and_leaves_nothing_behind(
        self, store: Store, scope: str, chain: CheckpointChain
    ) -> None:
        chain.write(parts({"a": (1, b"a")}), 1)
        chain.drop()
        assert chain.ref is None
        chain.collect()
        assert store.keys(scope) == set()

    def test_scopes_do_not_see_each_other(self, store: Store, scope: str, chain: CheckpointChain) -> None:
        ref = chain.write(parts({"a": (1, b"a")}), 1)
        other = CheckpointChain(store, scope + "0")
        other.adopt()
        other.collect()
        assert other.load(ref) is None
        assert CheckpointChain(store, scope).load(ref) == {"a": b"a"}

    def test_holds_says_whether_all_keys_are_there(self, store: Store, scope: str) -> None:
        store.write(scope, {"a": b"1", "b": b"2"})
        assert store.holds(scope, {"a", "b"})
        assert store.holds(scope, set())
        assert not store.holds(scope, {"a", "c"})

    def test_reading_gives_values_in_the_order_asked_for(self, store: Store, scope: str) -> None:
        held = {f"k{n}": b"%d" % n for n in range(40)}
        store.write(scope, held)
        wanted = [f"k{n}" for n in reversed(range(40))] + ["none"]
        assert store.read(scope, wanted) == [held.get(key) for key in wanted]
