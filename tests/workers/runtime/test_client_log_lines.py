"""A client that repeats itself fills no log."""

from __future__ import annotations

from workers.runtime.kafka_log import Seldom


def test_a_line_that_comes_again_is_held_back_and_counted() -> None:
    now = [0.0]
    seldom = Seldom(10.0, lambda: now[0])
    assert seldom.admits("FAIL [producer-3] broker:9092 refused (after 0ms)") == 0
    for second in range(1, 10):
        now[0] = second
        assert seldom.admits(f"FAIL [producer-{second}] broker:9092 refused (after {second}ms)") is None
    now[0] = 10.0
    assert seldom.admits("FAIL [producer-3] broker:9092 refused (after 5ms)") == 9
    now[0] = 20.0
    assert seldom.admits("FAIL [producer-3] broker:9092 refused (after 5ms)") == 0


def test_another_line_is_let_through_meanwhile() -> None:
    seldom = Seldom(10.0, lambda: 0.0)
    assert seldom.admits("topic a: not authorised") == 0
    assert seldom.admits("topic b: not authorised") == 0
    assert seldom.admits("topic a: not authorised") is None


def test_many_kinds_of_lines_take_no_memory() -> None:
    seldom = Seldom(10.0, lambda: 0.0)
    for number in range(10_000):
        seldom.admits("x" * (number % 1_000))
    assert len(seldom._kinds) <= 200
