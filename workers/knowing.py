"""What the settings say is known about metrics, as scoring and windows go by it."""

from __future__ import annotations

from models.knowledge import BY_NAME, Knowledge, Rule
from workers.queries.reading import read_queries
from workers.settings import Settings


def knowledge_of(settings: Settings) -> Knowledge:
    """What the names of metrics say by themselves, overridden by what the file of queries says (where a metrics server
    is set), overridden by the setting `metrics`, entry by entry. Raises QueryFileError where that file cannot be used.
    """
    rules = list(BY_NAME)
    if settings.victoriametrics.model_fields_set & {"url", "queries"}:
        rules += read_queries(settings.victoriametrics.queries).rules
    for one in settings.metrics:
        entity = settings.scoring.groups[one.group] if one.group else one.entity or "*"
        sizes = (one.least, one.least_ratio, one.least_events, one.least_count)
        rules.append(Rule(one.metric, entity, one.direction, *sizes, one.valid))
    return Knowledge(rules)
