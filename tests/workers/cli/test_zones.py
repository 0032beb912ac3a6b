"""The zones and holidays of the settings are those of what is learned."""

from __future__ import annotations

import pytest

from models.periods import Calendar
from models.train import TrainPolicy
from workers.cli.failures import WrongUse
from workers.cli.zones import zoned
from workers.settings import ScoringSettings


def test_zones_go_with_the_holidays_into_every_calendar() -> None:
    scoring = ScoringSettings(
        timezone="Europe/Berlin", timezones={"entity=tokyo-*": "Asia/Tokyo"}, holidays=["2026-12-25"]
    )
    policy = zoned(TrainPolicy(), scoring)
    assert policy.at("host", "entity=a").calendar == Calendar("Europe/Berlin", ("2026-12-25",))
    assert policy.at("host", "entity=tokyo-7").calendar == Calendar("Asia/Tokyo", ("2026-12-25",))


@pytest.mark.parametrize(
    "scoring",
    [
        ScoringSettings(timezone="Nowhere/Land"),
        ScoringSettings(timezones={"host": "Nowhere/Land"}),
        ScoringSettings(holidays=["Christmas"]),
    ],
)
def test_a_zone_or_a_date_that_is_none_is_refused_by_its_setting(scoring: ScoringSettings) -> None:
    with pytest.raises(WrongUse, match="FAULTLINE_SCORING__TIMEZONE"):
        zoned(TrainPolicy(), scoring)
