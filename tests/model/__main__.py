"""`python -m tests.model 50000 [first]`: many schedules over all cores, what broke, how often each fault happened."""

from __future__ import annotations

import sys
import time

from tests.model.crowd import STAGES, play_all
from tests.model.schedules import report, silence
from tests.model.world import Plan


def main(count: int, first: int) -> int:
    silence()
    began = time.monotonic()
    outcome = play_all("tally", range(first, first + count), lambda done: print(f"\r{done:,}", end="", file=sys.stderr))
    took = time.monotonic() - began
    for name, number in sorted(outcome.seen.items()):
        print(f"{number:9,}  {name}")
    for seed, _ in outcome.broken:
        print(f"seed {seed}: {report(Plan(seed), STAGES['tally'])}")
    print(f"{count:,} schedules, {count / took:.0f} a second, {len(outcome.broken)} broken")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]] or [2000]
    sys.exit(main(numbers[0], numbers[1] if len(numbers) > 1 else 0))
