"""The workers' own steps over files, in memory: no Kafka, the same code, the same results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Vectors
from schemas.events import encode_events
from schemas.vectors import decode_vectors
from workers.cli.sending import closing_margin
from workers.runtime.records import Headers, Output, Records
from workers.runtime.stage import NO_WATERMARK, Control
from workers.settings import Settings
from workers.windows.stage import build as build_windows
from workers.windows.ticks import Tick

_KINDS = ("api", "log", "span", "host", "metric")


class Feed:
    """One partition of a worker: takes records, gives outputs, remembers state, offset and counts."""

    def __init__(self, stage: Any, topic: str) -> None:
        self._stage, self._topic = stage, topic
        self._state = stage.start(0, NO_WATERMARK, [])
        self.offset = 0
        self.counts: Counter[str] = Counter()

    def saved(self) -> dict[str, bytes]:
        """The whole state; empty where there is nothing to remember."""
        return {name: part.encode() for name, part in self._stage.parts(self._state).items()}

    def resume(self, parts: Mapping[str, bytes], offset: int) -> None:
        """Go on from a saved state, with the offset that was reached then."""
        self.offset = offset
        if parts:
            self._state = self._stage.restore(0, parts)

    def take_up(self, records: Mapping[bytes, bytes]) -> None:
        """Put control records, by key, into force from the next record on."""
        controls = [Control(self.offset, key, value) for key, value in records.items()]
        self._stage.take_up(self._state, self.offset, controls)

    def take(
        self,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        times: NDArray[np.int64],
        headers: Sequence[Headers | None] | None = None,
        offsets: NDArray[np.int64] | None = None,
    ) -> list[Output]:
        """Step records whose Kafka timestamps are `times` (epoch microseconds); without `offsets` one after another."""
        n = len(values)
        if offsets is None:
            offsets = np.arange(self.offset, self.offset + n, dtype=np.int64)
        self.offset = int(offsets[-1]) + 1 if n else self.offset
        records = Records(self._topic, 0, offsets, times, list(keys), list(values), list(headers or [None] * n))
        outputs: list[Output] = []
        if n:
            for chunk in self._stage.step(self._state, records):
                outputs += chunk.outputs
                self.counts.update(chunk.counts)
                self.counts["dead_letters"] += len(chunk.dead)
        return outputs

    def take_outputs(self, outputs: Sequence[Output]) -> list[Output]:
        """Step what the worker before gave."""
        times = np.zeros(len(outputs), np.int64)
        return self.take([one.key for one in outputs], [one.value for one in outputs], times)


def feature_records(blocks: Iterable[Events], settings: Settings) -> Iterator[list[Output]]:
    """Vectors of events in time order as the windows worker writes them, block by block; in the end all panes close."""
    feed = Feed(build_windows(settings), settings.topics.events)
    last = None
    for block in blocks:
        if len(block):
            last = int(block.time[-1])
            names = [name.encode() for name in block.entity.values]
            keys = [names[code] for code in block.entity.codes.tolist()]
            outputs = feed.take(keys, encode_events(block), block.time)
            yield [one for one in outputs if one.topic == settings.topics.features]
    if last is not None:
        end = Tick(last + max(closing_margin(settings, kind, 0) for kind in _KINDS), feed.offset - 1, "end")
        outputs = feed.take([None], [end.encode()], np.array([end.time]), [end.headers])
        yield [one for one in outputs if one.topic == settings.topics.features]


def vector_blocks(blocks: Iterable[Events], settings: Settings) -> Iterator[Vectors]:
    """The same vectors, decoded."""
    for outputs in feature_records(blocks, settings):
        yield from decode_vectors([one.value for one in outputs])[0]


def select(features: Sequence[Output], wanted: Callable[[Vectors], Sequence[bool]]) -> list[Output]:
    """Of vectors as they were written, those whose row of a block is wanted, in their order."""
    blocks, _ = decode_vectors([one.value for one in features])
    kept = [at for block in blocks for at, keep in zip(block.at.tolist(), wanted(block), strict=True) if keep]
    return [features[at] for at in sorted(kept)]
