"""Each simulated attack, found by the stages as they are shipped: one machine, one seed; bench.attacks has twenty.

The delays are the most that docs/attacks.md states for samples of a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.attacks import CASES, LEARNED, judge, learn, opened
from workers.settings import Settings, load_settings
from workers.sources.synthetic.attacks import ATTACKS
from workers.sources.synthetic.plan import DAY, MINUTE, MONDAY, Plan
from workers.sources.synthetic.truth import schedule

pytestmark = pytest.mark.slow

SEED = 1
MINUTES = {
    "cpu_burn": 5,
    "fork_storm": 5,
    "log_flood": 5,
    "port_scan": 5,
    "exfiltration": 5,
    "ransomware": 5,
    "slow_leak": 30,
}


@pytest.fixture(scope="session", name="learned")
def learned_machine() -> Iterator[Settings]:
    """Settings with a registry in which one machine's model is in force."""
    with TemporaryDirectory() as folder:
        settings = load_settings({}).with_registry(str(Path(folder)))
        learn(CASES[0], SEED, settings)
        yield settings


def the_day_after(attack: str) -> Plan:
    """Half a day with two attacks of half an hour to an hour."""
    attacks = (attack,) if attack else ()
    rate, start = 0.125 if attack else 0.0, MONDAY + LEARNED * DAY
    return Plan("host", 0.5, MINUTE, 1, rate, (30, 60), SEED, start, attacks=attacks)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_opens_an_incident_within_the_stated_delay(attack: str, learned: Settings) -> None:
    truth = schedule(the_day_after(attack))
    found, _ = judge(truth, opened(truth, learned))
    assert len(found) == 2
    for each in found:
        assert each.delay is not None
        assert each.delay <= MINUTES[attack] * MINUTE


def test_a_quiet_half_day_opens_none(learned: Settings) -> None:
    assert opened(schedule(the_day_after("")), learned) == []
