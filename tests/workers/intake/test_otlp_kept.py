"""What OTLP's decoders remember is bounded by its size, however long its texts are."""

from __future__ import annotations

from workers.intake.otlp.kept import Kept


def test_what_is_kept_is_found_again_until_there_is_too_much_of_it() -> None:
    kept: Kept[str, int] = Kept(10_000)
    for number in range(10):
        assert kept.keep(str(number), number, 100) == number
    assert list(kept) == [str(number) for number in range(10)]
    kept.keep("long", 11, 5_000)
    assert list(kept) == ["long"]


def test_what_is_larger_than_all_that_may_be_kept_is_not_kept() -> None:
    kept: Kept[str, int] = Kept(10_000)
    assert kept.keep("huge", 1, 50_000) == 1
    assert not kept


def test_many_long_texts_never_come_to_more_than_the_bound() -> None:
    kept: Kept[str, str] = Kept(1_000_000)
    for number in range(1_000):
        kept.keep(str(number), "x" * 50_000, 50_000)
        assert sum(map(len, kept.values())) <= 1_000_000
