"""What is to be made up: how long, of how many entities, how much of it anomalous. Same plan, same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from workers.sources.synthetic.attacks import ATTACKS, shown_by

Profile = Literal["service", "host", "log"]

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
MONDAY = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z, a Monday: where data begins when nobody says when, so that a seed alone names the data."""

SERVICE_NAMES = ("checkout", "payments", "search", "cart", "catalog", "accounts", "shipping", "inventory")


def habits(entities: int, what: int, low: float, high: float) -> NDArray[np.float64]:
    """How entities differ from each other, (entities, 1): a number between low and high for each.

    It hangs on the entity and on what it is (any number), not on the seed: other data of the same services, drawn with
    another seed or over other days, is data of the same services.
    """
    drawn = [np.random.default_rng([what, entity]).uniform(low, high) for entity in range(entities)]
    return np.array(drawn)[:, None]


@dataclass(frozen=True, slots=True)
class Plan:
    """A data set before it is made. Times are epoch microseconds, UTC; raises ValueError on impossible wishes.

    `interval` is the grid on which rates are drawn and anomalies lie (microseconds); host samples come once per
    interval. `anomaly_rate` is the share of an entity's intervals that are anomalous, `episode` the least and most
    intervals that one anomaly lasts. `volume` scales the number of requests. Hours of day are those of `timezone`.
    `attacks` (`workers.sources.synthetic.attacks`) are what anomalies are instead of the profile's own kinds.
    """

    profile: Profile = "service"
    days: float = 7.0
    interval: int = 5 * MINUTE
    entities: int = 1
    anomaly_rate: float = 0.05
    episode: tuple[int, int] = (1, 1)
    seed: int = 0
    start: int = MONDAY
    volume: float = 1.0
    timezone: str = "UTC"
    attacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shortest, longest = self.episode
        if self.days <= 0 or self.interval < 1_000_000 or self.intervals < 1:
            raise ValueError("days must be positive and hold at least one interval of at least a second")
        if self.entities < 1:
            raise ValueError("at least one entity is needed")
        if not 0 <= self.anomaly_rate <= 0.5:
            raise ValueError("the anomaly rate is a share between 0 and 0.5: more than half is no longer an anomaly")
        if not 1 <= shortest <= longest:
            raise ValueError("an episode lasts MIN:MAX intervals with 1 <= MIN <= MAX")
        if self.volume <= 0:
            raise ValueError("the volume is a positive factor")
        if self.seed < 0:
            raise ValueError("the seed is not negative")
        ZoneInfo(self.timezone)
        self._check_attacks()

    def _check_attacks(self) -> None:
        for name in self.attacks:
            if name not in ATTACKS:
                raise ValueError(f"no attack is called {name}; there are {', '.join(ATTACKS)}")
            if name not in shown_by(self.profile):
                where = " or ".join(profile for profile in get_args(Profile) if name in shown_by(profile))
                raise ValueError(f"{name} does not show in the profile {self.profile}: take {where}")

    @property
    def intervals(self) -> int:
        """Whole intervals in the data set."""
        return round(self.days * DAY) // self.interval

    @property
    def end(self) -> int:
        return self.start + self.intervals * self.interval

    @property
    def names(self) -> list[str]:
        """Names of the entities, the same for every seed."""
        if self.profile == "host":
            return [f"host-{number:02d}" for number in range(1, self.entities + 1)]
        numbered = (f"service-{number:02d}" for number in range(len(SERVICE_NAMES) + 1, self.entities + 1))
        return [*SERVICE_NAMES[: self.entities], *numbered]
