"""How soon the workers find simulated attacks on a machine, and how quiet they are without.

    python -m bench attacks

A machine is learned for seven quiet days; four other days follow, once with one attack of each kind, once with none.
Events go through the stages of `windows`, `scoring` and `incidents` as they are shipped. An attack is found by an
incident that opens (or reopens) while it lasts; the delay is from its start to the window end of that event. False are
incidents that open while no attack is on, nor within the ten minutes behind one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.machine import describe
from models.registry import Aliases, Registry
from models.table import tables_of
from models.train import HeldOut, TrainPolicy, train
from schemas.records import decode
from workers.cli.budget import Budget, buy
from workers.cli.offline import Feed, feature_records, vector_blocks
from workers.incidents.policy import Policy as IncidentPolicy
from workers.incidents.stage import build as build_incidents
from workers.scoring.policy import Policy as ScoringPolicy
from workers.scoring.stage import build as build_scoring
from workers.settings import Settings, load_settings
from workers.sources.synthetic.attacks import ATTACKS
from workers.sources.synthetic.generate import generate
from workers.sources.synthetic.plan import DAY, MINUTE, MONDAY, Plan, Profile
from workers.sources.synthetic.truth import Truth, schedule

LEARNED, JUDGED = 7, 4
FIRST_SEED = 300
"""Other data than what effects and windows were chosen on (docs/attacks.md)."""
AFTER = 10 * MINUTE
"""What opens so soon behind an attack is its end: averages over samples remember it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is made up: which telemetry, how far samples are apart (seconds), and how long an attack lasts (minutes)."""

    profile: Profile
    seconds: int
    minutes: tuple[int, int]
    attacks: tuple[str, ...] = tuple(ATTACKS)

    def plan(self, seed: int, days: float, start: int, rate: float) -> Plan:
        interval = self.seconds * 1_000_000
        shortest, longest = (minutes * 60 // self.seconds for minutes in self.minutes)
        attacks = self.attacks if rate else ()
        return Plan(self.profile, days, interval, 1, rate, (shortest, longest), seed, start, attacks=attacks)

    @property
    def rate(self) -> float:
        """So that four days hold one attack of each kind, or a little more."""
        return max(2, len(self.attacks)) * sum(self.minutes) / 2 / (JUDGED * DAY / MINUTE)

    def __str__(self) -> str:
        return f"{self.profile}, a sample in {self.seconds} s, attacks of {self.minutes[0]} to {self.minutes[1]} min"


CASES = (
    Case("host", 60, (20, 60)),
    Case("host", 15, (10, 30)),
    Case("host", 300, (30, 90)),
    Case("log", 300, (15, 60), ("log_flood",)),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One attack: the delay in microseconds until an incident opened, None if none did."""

    kind: str
    strength: float
    delay: int | None


def learn(case: Case, seed: int, settings: Settings, budget: str = "") -> None:
    """Train on seven quiet days, within a budget of incidents if one is stated, and put the bundle in force."""
    registry, policy = Registry(settings.registry.url), TrainPolicy(seed=seed)
    if budget:
        policy = replace(policy, rate=partial(_bought, Budget.parse(budget), settings))
    truth = schedule(case.plan(seed, LEARNED, MONDAY, 0))
    for table in tables_of(vector_blocks(generate(truth), settings)):
        trained = train(table, policy=policy)
        registry.save(trained.manifest, trained.files)
        registry.promote(trained.manifest.profile, trained.manifest.scope, Aliases(trained.version))


def _bought(budget: Budget, settings: Settings, _: str, held: HeldOut) -> float:
    """The rate of alarms that a budget buys one machine, as `faultline train --budget` finds it."""
    cuts = ScoringPolicy.of(settings).cuts
    return buy(budget, 1, held, IncidentPolicy.of(settings.incidents), cuts, settings.scoring.own_thresholds).alpha


def opened(truth: Truth, settings: Settings) -> list[dict[str, object]]:
    """The events by which incidents opened or reopened."""
    return [one for one in incident_events(truth, settings) if one["type"] in ("CREATE", "REOPEN")]


def incident_events(truth: Truth, settings: Settings) -> Iterator[dict[str, object]]:
    """Everything that the workers say of the truth's telemetry."""
    names = settings.topics
    scoring, incidents = Feed(build_scoring(settings), names.features), Feed(build_incidents(settings), names.scores)
    for outputs in feature_records(generate(truth), settings):
        scores = [one for one in scoring.take_outputs(outputs) if one.topic == names.scores]
        events = [one.value for one in incidents.take_outputs(scores) if one.topic == names.incidents]
        yield from (one for one in decode("IncidentEvent", events)[0] if one is not None)


def judge(truth: Truth, events: list[dict[str, object]]) -> tuple[list[Found], list[dict[str, object]]]:
    """What became of each attack, and what opened without one."""
    found, taken = [], set()
    for row, (start, end) in enumerate(zip(truth.start.tolist(), truth.end.tolist(), strict=True)):
        name = truth.kinds[truth.kind[row]]
        strength = float(truth.effects[name][row]) if name in truth.effects else float(truth.effects["traffic"][row])
        within = [(at, int(str(one["time"]))) for at, one in enumerate(events)]
        hits = [(at, time) for at, time in within if start < time <= end + AFTER]
        taken |= {at for at, _ in hits}
        first = min((time for _, time in hits if time <= end), default=None)
        found.append(Found(name, strength, None if first is None else first - start))
    return found, [one for at, one in enumerate(events) if at not in taken]


def one(case: Case, seed: int, budget: str = "") -> tuple[list[Found], int, list[dict[str, object]]]:
    """What became of the attacks, how many incidents opened beside them, and those of the quiet days."""
    with TemporaryDirectory() as folder:
        settings = load_settings({}).with_registry(str(Path(folder)))
        learn(case, seed, settings, budget)
        start = MONDAY + LEARNED * DAY
        struck = schedule(case.plan(1_000 + seed, JUDGED, start, case.rate))
        found, false = judge(struck, opened(struck, settings))
        quiet = opened(schedule(case.plan(1_000 + seed, JUDGED, start, 0)), settings)
    return found, len(false), quiet


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=20, help="machines of each case")
    asked.add_argument("--case", type=int, help="only the case of this number")
    asked.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    asked.add_argument("--budget", default="", help="as `faultline train` takes it, such as 1/month")
    asked.add_argument("--verbose", action="store_true", help="each attack missed and each incident of quiet days")
    options = asked.parse_args()
    print(describe())
    for case in CASES if options.case is None else [CASES[options.case]]:
        print(f"{case}; {options.seeds} seeds, {LEARNED} days learned, {JUDGED} judged", flush=True)
        results = [one(case, options.first + seed, options.budget) for seed in range(options.seeds)]
        for kind in case.attacks:
            mine = [found for each, _, _ in results for found in each if found.kind == kind]
            delays = sorted(found.delay / 6e7 for found in mine if found.delay is not None)
            middle, most = (float(np.median(delays)), max(delays)) if delays else (float("nan"), float("nan"))
            print(f"  {kind:<13} {len(delays):>3} of {len(mine):>3} found, delay {middle:.1f} min, at most {most:.1f}")
            if options.verbose:
                print("     missed:", [round(found.strength, 2) for found in mine if found.delay is None])
        quiet = [event for _, _, events in results for event in events]
        beside, days = sum(false for _, false, _ in results), options.seeds * JUDGED
        print(f"  beside attacks {beside} incidents in {days} days; in {days} quiet days {len(quiet)}", flush=True)
        if options.verbose:
            for event in quiet:
                print("     ", event["severity"], event["reason"])


if __name__ == "__main__":
    main()
