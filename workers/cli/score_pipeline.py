"""Windows, scoring and incidents in one process, gone on with from run to run: the workers' own steps, no Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from models.registry import Registry, RegistryError
from schemas.columns import Events
from schemas.events import encode_events
from schemas.ids import stable_id
from schemas.records import decode, encode
from workers.cli.failures import Failure
from workers.cli.offline import Feed
from workers.incidents.scores import ROLES
from workers.incidents.stage import build as build_incidents
from workers.runtime.records import Headers, Output
from workers.scoring.controls import control_key, control_record
from workers.scoring.stage import build as build_scoring
from workers.settings import Settings
from workers.windows.stage import build as build_windows
from workers.windows.ticks import Tick

_TICK_EVERY = 30_000_000
"""Microseconds of event time between two ticks: a longer silence of all counts as time that nobody watched."""

Saved = dict[str, dict[str, bytes]]
"""The parts of each step's state."""


class Pipeline:
    """`latest`: the last score of each entity and profile that were scored in this run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        stages: dict[str, Any] = {
            "windows": build_windows(settings),
            "scoring": build_scoring(settings),
            "incidents": build_incidents(settings),
        }
        topics = settings.topics
        inputs = {"windows": topics.events, "scoring": topics.features, "incidents": topics.scores}
        self._feeds = {name: Feed(stage, inputs[name]) for name, stage in stages.items()}
        self.config_hash = stable_id(*(stage.config_hash for stage in stages.values()))
        self.latest: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.scored = 0

    def take(self, events: Events) -> list[dict[str, Any]]:
        """Events in time order; the incident events that came of them."""
        names = [name.encode() for name in events.entity.values]
        keys: list[bytes | None] = [names[code] for code in events.entity.codes.tolist()]
        return self._on(self._feeds["windows"].take(keys, encode_events(events), events.time))

    def pass_time(self, until: int) -> list[dict[str, Any]]:
        """Nothing more comes up to that time (epoch microseconds): what is open is closed, whoever should have come is
        silent.
        """
        feed = self._feeds["windows"]
        if not feed.offset:
            return []
        tick = Tick(until, feed.offset - 1, "end")
        return self._on(feed.take([None], [tick.encode()], np.array([until]), [tick.headers]))

    def watch(self, events: Events, start: int, end: int, step: int) -> list[dict[str, Any]]:
        """Events of the grid from start to end (epoch microseconds, both included) that came while somebody watched
        without a break: between the steps it is said that time passes.
        """
        feed = self._feeds["windows"]
        names, values = [name.encode() for name in events.entity.values], encode_events(events)
        codes, place = events.entity.codes.tolist(), 0
        keys: list[bytes | None] = []
        records: list[bytes | None] = []
        times: list[int] = []
        headers: list[Headers | None] = []
        for at in range(start, end + 1, step):
            last = int(np.searchsorted(events.time, at, side="right"))
            for row in range(place, last):
                keys.append(names[codes[row]])
                records.append(values[row])
                headers.append(None)
                times.append(at)
            place = last
            for moment in _ticks(at, at + step):
                offset = feed.offset + len(records)
                if offset:
                    tick = Tick(moment, offset - 1)
                    keys.append(None)
                    records.append(tick.encode())
                    headers.append(tick.headers)
                    times.append(moment)
        return self._on(feed.take(keys, records, np.array(times, np.int64), headers))

    def save(self) -> tuple[Saved, dict[str, int]]:
        """The state of every step, and the offset that it has reached."""
        feeds = self._feeds.items()
        return {name: feed.saved() for name, feed in feeds}, {name: feed.offset for name, feed in feeds}

    def resume(self, parts: Saved, offsets: Mapping[str, int]) -> None:
        """Go on as saved, but with the models that the registry has in force now."""
        for name, feed in self._feeds.items():
            feed.resume(parts.get(name, {}), offsets[name])
        if offsets["scoring"] and self._settings.registry.url:
            self._feeds["scoring"].take_up(dict(self._in_force()))

    def _in_force(self) -> Iterator[tuple[bytes, bytes]]:
        registry = Registry(self._settings.registry.url, self._settings.registry.trusted_keys)
        try:
            for profile, scope, aliases in registry.in_force():
                record = control_record((profile, scope), aliases, time.time_ns() // 1000, "score")
                yield control_key((profile, scope)), encode("Control", [record])[0]
        except RegistryError as error:
            raise Failure(f"model registry: {error}") from error

    def _on(self, outputs: Sequence[Output]) -> list[dict[str, Any]]:
        """Vectors through scoring and incidents."""
        topics = self._settings.topics
        vectors = [one for one in outputs if one.topic == topics.features]
        scores = [one for one in self._feeds["scoring"].take_outputs(vectors) if one.topic == topics.scores]
        for score in decode("Score", [one.value for one in scores])[0]:
            if score is not None and score["model"]["role"] in ROLES:
                self.scored += 1
                self.latest[score["entity"], score["profile"]] = score
        events = [
            one.value
            for one in self._feeds["incidents"].take_outputs(scores)
            if one.topic == topics.incidents and one.key is not None
        ]
        return [event for event in decode("IncidentEvent", events)[0] if event is not None]


def _ticks(after: int, before: int) -> range:
    """Moments between two steps."""
    return range(after + _TICK_EVERY, before, _TICK_EVERY)
