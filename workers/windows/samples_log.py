"""What the sample engine logs to the compacted state topic, and takes back when its memory is rebuilt by replay.

* one record per closed ten-minute pane of an entity: the key tells entity, place in the day (pane number modulo 144)
  and profile, so a day of panes is all that compaction leaves;
* one that says when an entity's samples were last forgotten: a replay that begins in the middle of a former life
  would else not know its cadence, and keep it longer;
* one with its metrics, if an entity has as many as it may.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import orjson

from models.features.history import DAY_PANES, NEVER
from schemas.columns import Strings
from workers.runtime.records import Output
from workers.runtime.stage import Logged
from workers.windows.samples_intake import Pile
from workers.windows.samples_kernel import TOO_LATE
from workers.windows.samples_schedule import ACTIVE, EXPIRES, FROZEN, MEMORY
from workers.windows.samples_state import Entities
from workers.windows.state_log import split_key, state_key

_METRICS = "metrics"
_FORGOTTEN = "forgotten"


def log_key(entity: str, place: int | str, profile: str) -> bytes:
    """The key of one place in an entity's day, or of what else is logged of it."""
    return state_key(f"{entity}\x1f{place}", profile)


def pane_output(
    topic: str, entity: str, profile: str, pane: int, newest: int, offset: int, means: dict[str, float]
) -> Output:
    """A closed pane; `newest` is its last sample's time, `offset` that of the last record in the entity's samples."""
    value = {"pane": pane, "newest": newest, "offset": offset, "means": means}
    return Output(topic, log_key(entity, pane % DAY_PANES, profile), orjson.dumps(value))


def forgotten_output(topic: str, entity: str, profile: str, offset: int, time: int) -> Output:
    """At the record of this offset the watermark passed `time`, and with it all samples up to then were forgotten."""
    value = {"forgotten": offset, "time": time}
    return Output(topic, log_key(entity, _FORGOTTEN, profile), orjson.dumps(value))


def metrics_output(topic: str, entity: str, profile: str, names: list[str]) -> Output:
    """The metrics of an entity that may have no more."""
    return Output(topic, log_key(entity, _METRICS, profile), orjson.dumps({"metrics": names}))


def farewell(topic: str, entity: str, profile: str, days: Iterable[int], frozen: bool) -> list[Output]:
    """Tombstones for these panes of an entity, and for its metrics if they are logged."""
    places: list[int | str] = [pane % DAY_PANES for pane in days if pane != NEVER]
    return [Output(topic, log_key(entity, place, profile), None) for place in [*places, *[_METRICS] * frozen]]


@dataclass(slots=True)
class _Life:
    """What is logged of one entity."""

    panes: dict[int, tuple[int, dict[str, float]]] = field(default_factory=dict)  # place: pane, means
    metrics: list[str] | None = None
    forgotten: tuple[int, int] = (-1, NEVER)  # offset, time
    offset: int = -1  # of the last record in its samples
    newest: int = NEVER


class Past:
    """Logged state during a replay: it reaches beyond the replay's present, so an entity gets it when it is there.

    Who sent nothing since before the replay is there from the start. After the replay there is nothing left to give.
    """

    def __init__(self, logged: Iterable[Logged]) -> None:
        self._lives: dict[str, _Life] = {}
        for one in logged:
            place, _ = split_key(one.key)
            life = self._lives.setdefault(place.rpartition("\x1f")[0], _Life())
            _read(life, orjson.loads(one.value))
        self._last = max((max(life.offset, life.forgotten[0]) for life in self._lives.values()), default=-1)
        self._begun = False

    def begin(self, entities: Entities, offset: int, watermark: int) -> None:
        """Before a batch: `offset` of its first record, and the watermark before it."""
        if offset > self._last and self._begun:
            self._lives = {}
        if not self._lives:
            entities.on_add = None
            return
        entities.on_add = lambda name, slot: self._give(entities, name, slot)
        if not self._begun:
            self._begun = True
            for name, life in self._lives.items():
                if life.offset < offset and life.newest + MEMORY > watermark and name not in entities.slots:
                    entities.add(name)

    def pass_over(self, pile: Pile, entity: Strings) -> None:
        """Make events of forgotten lives mere signs of life, which are nobody's: outcomes change in place."""
        if not self._lives:
            return
        ends = [self._lives[name].forgotten if name in self._lives else (-1, NEVER) for name in entity.values]
        if not ends:
            return
        table = np.array(ends, np.int64)[entity.codes]
        pile.outcome[(pile.origin <= table[:, 0]) & (pile.time <= table[:, 1])] = TOO_LATE

    def _give(self, entities: Entities, name: str, slot: int) -> None:
        life = self._lives.get(name)
        if life is None:
            return
        if not entities.metrics.fixed:
            names = set(life.metrics or ()).union(*(means for _, means in life.panes.values()))
            entities.set_metrics(slot, [entities.metrics.number(name) for name in names])
            entities.schedule[slot, FROZEN] = life.metrics is not None
        entities.schedule[slot, [ACTIVE, EXPIRES]] = life.offset, life.newest + MEMORY
        h, rows = entities.history, entities.rows(slot)
        series = {entities.metrics.names[entities.metric[row]]: row for row in rows}
        for place, (pane, means) in life.panes.items():
            h.day[slot, place] = pane
            for name, mean in means.items():
                if name in series:
                    h.day_mean[series[name], place] = mean


def _read(life: _Life, value: dict[str, object]) -> None:
    match value:
        case {"forgotten": int(offset), "time": int(time)}:
            life.forgotten = max(life.forgotten, (offset, time))
        case {"metrics": list(names)}:
            life.metrics = [str(name) for name in names]
        case {"pane": int(pane), "newest": int(newest), "offset": int(offset), "means": dict(means)}:
            place = pane % DAY_PANES
            if place not in life.panes or life.panes[place][0] < pane:
                life.panes[place] = (pane, means)
            life.offset, life.newest = max(life.offset, offset), max(life.newest, newest)
        case _:
            raise ValueError(f"not a record of the sample engine's state: {sorted(value)}")
