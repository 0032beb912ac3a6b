"""What is said of log messages: which text, how often, and what was expected."""

from __future__ import annotations

import pytest

from workers.incidents.messages import message_level
from workers.incidents.naming import read_metric
from workers.incidents.scores import Contribution

FLOOD = 'messages "connection to <*> refused"__count_1m'
CLOCK = 'messages "health check ok"__count_5m'


def said(metric: str, actual: float | None, direction: str = "up", feature: str = "", still: str = "") -> str | None:
    one = Contribution(metric, feature or metric, 1.0, direction, actual, -0.4, 2.0)
    return message_level(one, "shop", still)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (said(FLOOD, 214.0), 'shop says "connection to <*> refused" 214 times in 1 min, expected 0–2'),
        (said(FLOOD, 2.0, still="still"), 'shop still says "connection to <*> refused" twice in 1 min, expected 0–2'),
        (said(CLOCK, 0.0, "down"), 'shop no longer says "health check ok": not once in 5 min, expected 0–2'),
        (
            said(CLOCK, 0.0, "down", still="still"),
            'shop still does not say "health check ok": not once in 5 min, expected 0–2',
        ),
        (said(CLOCK, 3.0, "down"), 'shop says "health check ok" only 3 times in 5 min, expected 0–2'),
        (said(CLOCK, None, "down"), 'shop says "health check ok" unusually rarely'),
        (
            said("new messages__count_1m", 30.0, feature="said__disk <*> is lost"),
            'shop has a new kind of message: "disk <*> is lost", 30 times in 1 min, expected 0–2',
        ),
        (said("new messages__count_5m", 30.0), "shop has new kinds of messages: 30 times in 5 min, expected 0–2"),
        (said("other messages__count", 7.0), "shop says messages that are rare 7 times, expected 0–2"),
        (said("latency_p99_ms", 7.0), None),
    ],
)
def test_sentences_about_messages(sentence: str | None, expected: str | None) -> None:
    assert sentence == expected


def test_a_kind_is_a_family_of_its_own_whatever_its_words() -> None:
    first, second = (read_metric(name) for name in (FLOOD, 'messages "latency of disk"__count_1m'))
    assert (first.family, second.family) == ('messages "connection to <*> refused"', 'messages "latency of disk"')
    assert first.label == 'number of messages "connection to <*> refused" over 1 min'
