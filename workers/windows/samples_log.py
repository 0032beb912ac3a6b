"""The past day of entities on the compacted state topic: one record per closed ten-minute pane of an entity.

The key tells entity, place in the day (pane number modulo 144) and profile, so that a day of panes is all that
compaction leaves; the value is JSON. An entity that has as many metrics as it may has one more record: which they are.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import orjson

from models.features.history import DAY_PANES, NEVER
from workers.runtime.records import Output
from workers.runtime.stage import Logged
from workers.windows.samples_lives import MEMORY
from workers.windows.samples_schedule import ACTIVE, EXPIRES, FROZEN
from workers.windows.samples_state import Entities
from workers.windows.state_log import split_key, state_key

_METRICS = "metrics"


def pane_key(entity: str, place: int | str, profile: str) -> bytes:
    """The key of one place in an entity's day."""
    return state_key(f"{entity}\x1f{place}", profile)


def pane_output(
    topic: str, entity: str, profile: str, pane: int, newest: int, offset: int, means: dict[str, float]
) -> Output:
    """A closed pane; `newest` is its last sample's time, `offset` that of the last record in the entity's samples."""
    value = {"pane": pane, "newest": newest, "offset": offset, "means": means}
    return Output(topic, pane_key(entity, pane % DAY_PANES, profile), orjson.dumps(value))


def metrics_output(topic: str, entity: str, profile: str, names: list[str]) -> Output:
    """The metrics of an entity that may have no more."""
    return Output(topic, pane_key(entity, _METRICS, profile), orjson.dumps({"metrics": names}))


def farewell(topic: str, entity: str, profile: str, days: Iterable[int], frozen: bool) -> list[Output]:
    """Tombstones for all that is logged of an entity."""
    places: list[int | str] = [pane % DAY_PANES for pane in days if pane != NEVER]
    return [Output(topic, pane_key(entity, place, profile), None) for place in [*places, *[_METRICS] * frozen]]


def recall(entities: Entities, logged: Iterable[Logged]) -> None:
    """Make known again what was logged, into an empty memory."""
    entries: dict[str, list[dict[str, object]]] = {}
    for one in logged:
        place, _ = split_key(one.key)
        entries.setdefault(place.rpartition("\x1f")[0], []).append(orjson.loads(one.value))
    for entity, values in entries.items():
        _recall_one(entities, entity, values)


def _recall_one(entities: Entities, entity: str, values: list[dict[str, object]]) -> None:
    slot = entities.add(entity)
    frozen = [value["metrics"] for value in values if "metrics" in value]
    panes = [value for value in values if "pane" in value]
    names: set[str] = set()
    for value in [*frozen, *(pane["means"] for pane in panes)]:
        names.update(value)  # type: ignore[arg-type]
    if not entities.metrics.fixed:
        entities.set_metrics(slot, [entities.metrics.number(name) for name in names])
        entities.schedule[slot, FROZEN] = bool(frozen)
    series = {entities.metrics.names[entities.metric[row]]: row for row in entities.rows(slot)}
    h, q = entities.history, entities.schedule
    for value in panes:
        pane, newest, offset, means = value["pane"], value["newest"], value["offset"], value["means"]
        assert isinstance(pane, int)
        assert isinstance(newest, int)
        assert isinstance(offset, int)
        assert isinstance(means, dict)
        place = pane % DAY_PANES
        if h.day[slot, place] > pane:
            continue
        h.day[slot, place] = pane
        rows = entities.rows(slot)
        h.day_mean[rows.start : rows.stop, place] = np.nan
        for name, mean in means.items():
            if name in series:
                h.day_mean[series[name], place] = mean
        q[slot, ACTIVE] = max(int(q[slot, ACTIVE]), offset)
        q[slot, EXPIRES] = max(int(q[slot, EXPIRES]), newest + MEMORY)
