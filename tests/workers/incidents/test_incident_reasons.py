"""The sentences that people read, one for each situation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.incidents.given import NOON, PANE, contribution, window
from workers.incidents.incident import Change, Ending, Incident, Kind, Phase, Rule
from workers.incidents.policy import MINUTE
from workers.incidents.reasons import words
from workers.incidents.scores import Contribution, Window
from workers.units import shown

LATENCY = contribution("latency_p99_ms", 0.7, "up", 2300.0, 180.0, 420.0)
ERRORS = contribution("error_rate", 0.2, "up", 0.12, 0.0, 0.02)
DROP = contribution("event_count", 0.9, "down", 60.0, 600.0, 1100.0)
FULL = contribution("memory_used_ratio", 0.8, "up", 0.972, 0.41, 0.55)
QUEUE = contribution("queue_depth", 0.8, "up", 18_400.0, None, 250.0)

SLOW = window(LATENCY, ERRORS, at=74)
STILL = window(severity=3, silent=True, at=74)
CLEAN = Rule("clean windows", 3, 3)


def change(kind: Kind, evidence: Window = SLOW, *, incident: dict[str, Any] | None = None, **fields: Any) -> Change:
    """A change of an incident that began 12 minutes before the end of its last anomalous window."""
    known: dict[str, Any] = {
        "id": "i",
        "fingerprint": "f",
        "cause": "silence" if evidence.silent else "deviation",
        "regular": False,
        "severity": 3,
        "phase": Phase.OPEN,
        "first_anomalous_at": NOON + 2 * PANE,
        "opened_at": NOON + 5 * PANE,
        "last_anomalous_at": NOON + 74 * PANE,
        "evidence": evidence,
        "occurrence_count": 1,
        "window_count": 70,
    }
    told = Incident(**known | (incident or {}))
    about: dict[str, Any] = {"time": NOON + 74 * PANE, "rule": CLEAN, "before": 3, "silent": evidence.silent}
    return Change(kind, score_id="s", incident=told, **about | fields)


def resolved(ending: Ending, evidence: Window = SLOW, **fields: Any) -> dict[str, Any]:
    at = NOON + 77 * PANE
    return {"phase": Phase.RESOLVED, "ending": ending, "resolved_at": at, "closed_at": at + 15 * MINUTE, **fields}


def _restless(feature: str, direction: str = "up", actual: float = 0.59) -> Window:
    return window(Contribution("cpu_ratio", feature, 0.8, direction, actual, 0.39, 0.61))


GOLDEN = {
    "slow, and errors with it": (
        change(Kind.CREATE),
        "p99 latency of checkout is 2.3 s, expected 180–420 ms; errors rose with it.",
        "Requests to checkout take about 5.5 times as long as they should.",
        "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ),
    "errors": (
        change(Kind.CREATE, window(ERRORS)),
        "Error rate of checkout is 12%, expected 0–2%.",
        "About 1 in 8 requests fails.",
        "Read the latest errors, and compare their start with deployments and with dependencies.",
    ),
    "traffic drop": (
        change(Kind.CREATE, window(DROP)),
        "Number of events of checkout is 60, expected 600–1,100.",
        "At least 90% of the usual traffic of checkout is missing.",
        "Check what sends the traffic: load balancer, DNS, certificates, callers, and the log shipper.",
    ),
    "a host short of memory": (
        change(Kind.CREATE, window(FULL)),
        "Memory use of checkout is 97%, expected 41–55%.",
        "Once memory runs out, processes are killed or the machine swaps.",
        "Find the process that grows, restart it before it is killed, and look for a leak.",
    ),
    "a metric of the user's own": (
        change(Kind.CREATE, window(QUEUE)),
        "Queue depth of checkout is 18,400, expected at most 250.",
        "The queue depth of checkout is where it has not been before.",
        "Compare with the last normal period, and with what was changed before it began.",
    ),
    "no contribution": (
        change(Kind.CREATE, window()),
        "checkout behaves unusually (anomaly score 2.4, limit 1.0).",
        "checkout does something it has not done before; users may not notice yet.",
        "Compare with the last normal period, and with what was changed before it began.",
    ),
    "silence": (
        change(Kind.CREATE, STILL, incident={"regular": True}),
        (
            "checkout has gone silent: nothing has come since 12:00:20 UTC (12 min), "
            "though it usually reports without a break."
        ),
        "Nothing is known about checkout while it is silent; if it is down, so is all that depends on it.",
        "Check that checkout runs and can reach Kafka; if it was removed on purpose, nothing is to be done.",
    ),
    "going on": (
        change(Kind.CONTINUE),
        "p99 latency of checkout is still 2.3 s, expected 180–420 ms; errors rose with it, 12 min after it began.",
        "Requests to checkout take about 5.5 times as long as they should.",
        "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ),
    "recovering": (
        change(Kind.CONTINUE, incident={"clean": 2}, rule=Rule("clean windows", 2, 3)),
        "checkout is recovering: 2 of 3 clean windows in a row, 12 min after it began.",
        "Requests to checkout take about 5.5 times as long as they should.",
        "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ),
    "worse": (
        change(Kind.ESCALATE, incident={"severity": 4}, before=2),
        (
            "checkout got worse, from medium to critical: "
            "p99 latency of checkout is 2.3 s, expected 180–420 ms; errors rose with it."
        ),
        "Requests to checkout take about 5.5 times as long as they should.",
        "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ),
    "eased": (
        change(Kind.CONTINUE, incident={"severity": 2}, before=4),
        (
            "checkout has eased from critical to medium: "
            "p99 latency of checkout is still 2.3 s, expected 180–420 ms; errors rose with it."
        ),
        "Requests to checkout take about 5.5 times as long as they should.",
        "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ),
    "back to normal": (
        change(Kind.RESOLVE, incident=resolved(Ending.CLEAN)),
        "checkout is back to normal after 12 min: 3 of 3 clean windows in a row.",
        "None any more.",
        "Nothing to do, unless it comes back.",
    ),
    "back from silence": (
        change(Kind.RESOLVE, STILL, incident=resolved(Ending.CLEAN), silent=False),
        "checkout sends again after 12 min of silence, and looks normal: 3 of 3 clean windows in a row.",
        "None any more.",
        "Nothing to do, unless it comes back.",
    ),
    "gone for good": (
        change(Kind.RESOLVE, STILL, incident=resolved(Ending.RETIRED), silent=False),
        "checkout has been silent for so long that it is no longer watched; it was not seen to recover.",
        "The present state of checkout is not known.",
        "Check whether checkout was removed on purpose.",
    ),
    "flapping": (
        change(Kind.REOPEN, incident={"phase": Phase.FLAPPING, "reopens": 3}, since_resolved=4 * MINUTE),
        (
            "Trouble is back 4 min after it had resolved: p99 latency of checkout is 2.3 s, expected 180–420 ms; "
            "errors rose with it. It has come back 3 times and counts as flapping."
        ),
        "Requests to checkout take about 5.5 times as long as they should.",
        "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ),
    "closed": (
        change(Kind.CLOSED, incident=resolved(Ending.CLEAN)),
        "checkout has been fine for 15 min; the incident, which lasted 12 min, is closed.",
        "None any more.",
        "Nothing to do.",
    ),
    "the new normal": (
        change(Kind.CLOSED, incident=resolved(Ending.AGE)),
        "The incident of checkout is closed after 12 min; if the trouble goes on, a new one opens.",
        "Unchanged; it is taken as normal from now on.",
        "Train anew so that the models know it, or repair it.",
    ),
}


@pytest.mark.parametrize("situation", GOLDEN)
def test_each_situation_has_its_sentence_impact_and_recommendation(situation: str) -> None:
    told, reason, impact, recommendation = GOLDEN[situation]
    said = words(told, "checkout")
    assert said.reason == reason
    assert said.impact == impact
    assert said.recommendation == recommendation


def test_only_families_other_than_the_first_are_said_to_have_moved_with_it() -> None:
    p95 = contribution("latency_p95_ms", 0.3, "up", 2000.0, 100.0, 300.0)
    fewer = contribution("event_count", 0.2, "down")
    said = words(change(Kind.CREATE, window(LATENCY, p95, ERRORS, fewer)), "checkout")
    assert said.reason.endswith("; errors rose and traffic fell with it.")
    both = words(change(Kind.CREATE, window(LATENCY, ERRORS, contribution("cpu_ratio", 0.2))), "checkout")
    assert both.reason.endswith("; errors and CPU use rose with it.")


def test_a_missing_value_is_called_high_or_low_without_a_number() -> None:
    said = words(change(Kind.CREATE, window(contribution("latency_p99_ms", direction="down"))), "checkout")
    assert said.reason == "p99 latency of checkout is unusually low."


def test_a_plural_takes_are() -> None:
    drops = contribution("network_receive_drops", actual=12.0, low=0.0, high=1.0)
    said = words(change(Kind.CONTINUE, window(drops)), "web-1")
    assert said.reason == "Network receive drops of web-1 are still 12, expected 0–1, 12 min after it began."


def test_names_that_would_break_a_line_are_shown_on_one_and_cut() -> None:
    assert shown("a\nb\x00c\u2028d") == "a b c d"
    assert len(shown("x" * 500)) == 120
    assert "\n" not in words(change(Kind.CREATE), 'shop"}\n<script>').reason


@pytest.mark.parametrize(
    ("feature", "direction", "actual", "said"),
    [
        ("cpu_ratio__delta_before", "down", 0.59, "is 59% (expected 39–61%), but fell abruptly."),
        ("cpu_ratio__std_10", "up", 0.59, "is 59% (expected 39–61%), but has varied more than usual."),
        ("cpu_ratio__std_30", "down", 0.59, "is 59% (expected 39–61%), but has varied less than usual."),
        ("cpu_ratio__mean_30", "up", 0.59, "is 59% (expected 39–61%), but has been high over the last 30 samples."),
        ("cpu_ratio__max_5m", "up", 0.59, "is 59% (expected 39–61%), but has been high over the last 5 min."),
        ("cpu_ratio__trend", "down", 0.59, "is 59% (expected 39–61%), but has been falling."),
        ("cpu_ratio", "up", 0.59, "is 59% (expected 39–61%), but seldom has that value beside what else is seen."),
        ("cpu_ratio__std_10", "up", 0.611, "is 61%, slightly above the expected 39–61%."),
        ("cpu_ratio__std_10", "down", 0.389, "is 39%, slightly below the expected 39–61%."),
        ("cpu_ratio__std_10", "up", 0.7, "is 70%, expected 39–61%."),
    ],
)
def test_a_value_that_lies_where_it_usually_does_is_told_by_how_it_came_there(
    feature: str, direction: str, actual: float, said: str
) -> None:
    assert (
        words(change(Kind.CREATE, _restless(feature, direction, actual)), "web-1").reason == f"CPU use of web-1 {said}"
    )
