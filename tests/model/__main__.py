"""`python -m tests.model 5000`: many schedules, their speed, what broke, and how often each fault happened."""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.model.schedules import report, run, silence
from tests.model.world import LOG, OUT, Plan
from tests.support.toy_stages import Tally


def main(count: int, first: int) -> int:
    silence()
    seen: Counter[str] = Counter()
    broken, began = 0, time.monotonic()
    for seed in range(first, first + count):
        happened, violation, _ = run(Plan(seed), lambda: Tally(OUT, LOG))
        seen += happened
        if violation:
            broken += 1
            print(f"seed {seed}: {report(Plan(seed), lambda: Tally(OUT, LOG))}")
    for name, number in sorted(seen.items()):
        print(f"{number:9,}  {name}")
    print(f"{count:,} schedules, {count / (time.monotonic() - began):.0f} a second, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]] or [1000]
    sys.exit(main(numbers[0], numbers[1] if len(numbers) > 1 else 0))
