"""Random streams for the sample engine: entities that come late, twice, with gaps, that fall silent and return."""

from __future__ import annotations

import numpy as np

from tests.workers.windows.telemetry import S, Sent

START = 1_700_000_400 * S
HOUR = 3600 * S


def story(
    seed: int, entities: int = 4, steps: int = 160, metrics: int = 3, with_distributions: bool = False
) -> list[Sent]:
    """Samples of several entities at cadences of their own, as they arrive; everything that may go wrong does."""
    rng = np.random.default_rng(seed)
    arrivals: list[tuple[int, int, Sent]] = []
    for e in range(entities):
        cadence = int(rng.choice([5, 10, 60, 300, 1500])) * S
        t, counter, away_until = START + int(rng.integers(0, 60)) * S, 0.0, 0
        buckets = np.zeros(4, np.int64)
        for _ in range(steps):
            t += cadence + (int(rng.integers(-2, 3)) * S if rng.random() < 0.2 else 0)
            if rng.random() < 0.01:
                away_until = t + int(rng.choice([5, 30, 90, 400]) * cadence)
            if t < away_until or t > START + 8 * HOUR:
                continue
            counter = 0.0 if rng.random() < 0.03 else counter + float(rng.integers(0, 50))
            values: dict[str, float | tuple[float, str]] = {"requests_total": (counter, "counter")}
            for m in range(metrics - 1):
                if rng.random() < 0.9:
                    values[f"m{m}"] = float(np.round(rng.normal(10 * m, 3), 3))
            if rng.random() < 0.02:
                values["odd"] = (float(rng.integers(0, 5)), "delta")
            buckets = np.zeros(4, np.int64) if rng.random() < 0.03 else buckets + rng.integers(0, 5, 4)
            kind, came = ("counter", buckets) if e % 2 else ("delta", rng.integers(0, 5, 4))
            took = {"took_ms{route=/x}": ([1.0, 5.0, 20.0], came.tolist(), kind)} if with_distributions else {}
            delay = int(rng.integers(0, 9)) * S
            if rng.random() < 0.05:
                delay = int(rng.choice([20, 200, 2000, 6000])) * S
            arrivals.append((t + delay, len(arrivals), Sent(t, f"e{e}", values, distributions=took)))
            if rng.random() < 0.05:  # the same sample in two events
                arrivals.append((t + delay + S, len(arrivals), Sent(t, f"e{e}", {"m0": 1.5, "split": 2.0})))
            if rng.random() < 0.02:
                skewed = Sent(t + 10 * HOUR, f"e{e}", values, reference=t, skewed=True)
                arrivals.append((t + delay, len(arrivals), skewed))
    end = max(at for at, _, _ in arrivals)
    for at in range(START, end, 30 * S):
        if rng.random() < 0.1:
            arrivals.append((at, len(arrivals), Sent(at)))
    arrivals.append((end + 2 * HOUR, len(arrivals), Sent(end + int(rng.choice([0, 600, 7200])) * S)))
    return [sent for _, _, sent in sorted(arrivals, key=lambda one: one[:2])]
