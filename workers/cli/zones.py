"""Which local time what is learned goes by, as the settings say."""

from __future__ import annotations

from dataclasses import replace

from models.periods import Calendar, PeriodError
from models.train import TrainPolicy
from workers.cli.failures import WrongUse
from workers.settings import ScoringSettings


def zoned(policy: TrainPolicy, scoring: ScoringSettings) -> TrainPolicy:
    """The policy with the zones and holidays of the settings. Raises WrongUse for one that is none."""
    holidays = tuple(scoring.holidays)
    try:
        elsewhere = tuple((where, Calendar(zone, holidays)) for where, zone in scoring.timezones.items())
        return replace(policy, calendar=Calendar(scoring.timezone, holidays), elsewhere=elsewhere)
    except PeriodError as error:
        raise WrongUse(f"FAULTLINE_SCORING__TIMEZONE, __TIMEZONES or __HOLIDAYS: {error}") from error
