"""Truth against found, on small cases that can be counted by hand."""

from __future__ import annotations

from workers.demo.judging import Episode, Incident, judge

MINUTE = 60_000_000


def _episode(entity: str, kind: str, start: int, end: int) -> Episode:
    return Episode(entity, kind, start * MINUTE, end * MINUTE)


def _incident(name: str, entity: str, first: int, opened: int, last: int) -> Incident:
    return Incident(name, entity, first * MINUTE, opened * MINUTE, last * MINUTE, "high", "because")


def test_an_incident_inside_an_episode_finds_it_with_its_delay() -> None:
    verdict = judge([_episode("a", "latency", 10, 40)], [_incident("i", "a", 10, 20, 40)])
    assert (verdict.precision, verdict.recall) == (1.0, 1.0)
    assert verdict.kinds[0].found == 1
    assert verdict.kinds[0].delay_seconds == 600


def test_the_same_time_at_another_entity_is_a_false_alarm_and_a_miss() -> None:
    verdict = judge([_episode("a", "latency", 10, 40)], [_incident("i", "b", 10, 20, 40)])
    assert (verdict.precision, verdict.recall) == (0.0, 0.0)
    assert [incident.incident_id for incident in verdict.false_alarms] == ["i"]
    assert verdict.kinds[0].missed == 1
    assert verdict.kinds[0].delay_seconds is None


def test_one_incident_may_find_two_episodes_and_two_incidents_one() -> None:
    episodes = [_episode("a", "latency", 10, 20), _episode("a", "errors", 25, 40), _episode("a", "errors", 60, 90)]
    incidents = [_incident("i", "a", 10, 15, 40), _incident("j", "a", 60, 65, 70), _incident("k", "a", 75, 80, 85)]
    verdict = judge(episodes, incidents)
    assert (verdict.precision, verdict.recall) == (1.0, 1.0)
    assert {kind.kind: kind.found for kind in verdict.kinds} == {"latency": 1, "errors": 2}


def test_an_incident_that_ends_as_the_episode_begins_does_not_overlap() -> None:
    assert judge([_episode("a", "latency", 40, 50)], [_incident("i", "a", 10, 20, 40)]).recall == 0.0


def test_precision_and_recall_are_shares() -> None:
    episodes = [_episode("a", "latency", start, start + 10) for start in (0, 100, 200, 300)]
    incidents = [_incident(str(n), "a", start + 1, start + 5, start + 9) for n, start in enumerate((0, 100, 200, 500))]
    verdict = judge(episodes, incidents)
    assert verdict.precision == 0.75
    assert verdict.recall == 0.75
    assert [episode.start for episode in verdict.missed] == [300 * MINUTE]


def test_nothing_to_judge_is_perfect() -> None:
    verdict = judge([], [])
    assert (verdict.precision, verdict.recall, verdict.kinds) == (1.0, 1.0, ())
