"""What the settings say is known about metrics, as scoring and windows go by it."""

from __future__ import annotations

from models.knowledge import BY_NAME, Knowledge, Rule
from workers.settings import Settings


def knowledge_of(settings: Settings) -> Knowledge:
    """What the names of metrics say by themselves, overridden by the setting `metrics`, entry by entry."""
    rules = list(BY_NAME)
    for one in settings.metrics:
        entity = settings.scoring.groups[one.group] if one.group else one.entity or "*"
        rules.append(Rule(one.metric, entity, one.direction, one.least, one.least_ratio, one.least_events, one.valid))
    return Knowledge(rules)
