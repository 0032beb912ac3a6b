"""What the settings and a command's options ask for, made from settings."""

from __future__ import annotations

from collections.abc import Sequence

from workers.queries.reading import read_queries
from workers.settings_victoriametrics import VictoriaMetricsSettings
from workers.sources.victoriametrics.collect import Wanted


def wanted_of(settings: VictoriaMetricsSettings, services: Sequence[str] = (), step: int = 0) -> Wanted:
    """`services`, `step` win over the settings' where given. Raises QueryFileError."""
    file = read_queries(settings.queries)
    return Wanted(
        file=file,
        label=settings.label or file.label,
        filter=settings.filter,
        services=list(services) or list(settings.services),
        step=step or settings.step_s,
        max_points=settings.max_points,
    )
