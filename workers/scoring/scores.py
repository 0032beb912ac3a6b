"""From columns of scores to `Score` records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from models import clocks, fallback, silence
from models.bundle import Bundle
from models.logs.names import NEW, SAID
from models.scored import TOP, Reasons, Scored
from models.severity import NAMES, SeverityCuts
from schemas.columns import Vectors
from schemas.framing import Writer
from schemas.ids import stable_id
from schemas.records import encode
from schemas.times import format_time

Record = dict[str, Any]

_MOST_TIMES = 10_000
_NEW_COUNT = f"{NEW}__"

CHAMPION, CHALLENGER, FALLBACK = "champion", "challenger", "fallback"


@dataclass(frozen=True, slots=True)
class ModelName:
    """The model as a score names it."""

    id: str
    version: str
    role: str
    scope: str
    period: str

    @classmethod
    def of(cls, bundle: Bundle, role: str, period: str) -> ModelName:
        manifest = bundle.manifest
        return cls(f"{manifest.profile}/{manifest.scope}", bundle.version, role, manifest.scope, period)

    def record(self) -> Record:
        return {
            "id": self.id,
            "version": self.version,
            "role": self.role,
            "scope": self.scope,
            "period": self.period,
        }


UNTRAINED = ModelName(fallback.MODEL_ID, fallback.MODEL_VERSION, FALLBACK, "global", "all")
SILENCE = ModelName(silence.MODEL_ID, silence.MODEL_VERSION, FALLBACK, "global", "all")
CLOCK = ModelName(clocks.MODEL_ID, clocks.MODEL_VERSION, FALLBACK, "global", "all")


def score_records(
    block: Vectors, rows: Sequence[int], names: Sequence[str], scored: Scored, model: ModelName, cuts: SeverityCuts
) -> Iterator[tuple[int, Record]]:
    """The record of each of these rows of a block, with the row. `names` are what the reasons' numbers refer to."""
    head, said, why = _Heads(block, model), model.record(), _Reasons(scored.reasons, names)
    new = _NewKinds(block)
    ranks, scores = cuts.rank(scored.score).tolist(), scored.score.tolist()
    columns = zip(rows, scores, ranks, scored.confidence.tolist(), scored.note, strict=True)
    for place, (row, score, rank, confidence, note) in enumerate(columns):
        expected, contributions = why.of(place)
        yield row, head.of(row, score, rank, confidence, said, note, expected, new.told(row, contributions))


class Encoder:
    """Score records as bytes. JSON is written as it stands: what is made here is whole, of the right types and in the
    order of the schema, and to check each field again would cost more than to score the vector.
    """

    def __init__(self, form: Literal["json", "avro"], framing: Writer | None = None) -> None:
        self._form, self._framing = form, framing
        self._times: dict[int, str] = {}

    def encode(self, record: Record) -> bytes:
        if self._form == "avro":
            return encode("Score", [record], "avro", self._framing)[0]
        start, end = self._text(record["window_start"]), self._text(record["window_end"])
        return orjson.dumps({**record, "window_start": start, "window_end": end})

    def _text(self, time: int) -> str:
        """A time as JSON shows it; the windows of one pane share theirs."""
        text = self._times.get(time)
        if text is None:
            if len(self._times) >= _MOST_TIMES:
                self._times.clear()
            text = self._times[time] = format_time(time)
        return text


class _Reasons:
    """Reasons as flat lists, so that no list is made per row and number."""

    def __init__(self, reasons: Reasons, names: Sequence[str]) -> None:
        self._names = names
        self._metric, self._feature = reasons.metric.ravel().tolist(), reasons.feature.ravel().tolist()
        self._share, self._up = reasons.share.ravel().tolist(), reasons.up.ravel().tolist()
        self._actual = reasons.actual.ravel().tolist()
        self._low, self._high = reasons.low.ravel().tolist(), reasons.high.ravel().tolist()

    def of(self, place: int) -> tuple[list[Record], list[Record]]:
        """Expected ranges and contributions of a row, the largest contribution first."""
        expected, contributions = [], []
        for i in range(TOP * place, TOP * place + TOP):
            metric = self._metric[i]
            if metric < 0:
                break
            name = self._names[metric]
            expected.append({"metric": name, "actual": self._actual[i], "low": self._low[i], "high": self._high[i]})
            contributions.append(
                {
                    "metric": name,
                    "feature": self._names[self._feature[i]],
                    "share": self._share[i],
                    "direction": "up" if self._up[i] else "down",
                }
            )
        return expected, contributions


class _NewKinds:
    """What vectors tell of new kinds of messages: of what counts them, the text of the largest is the feature."""

    def __init__(self, block: Vectors) -> None:
        self._block = block
        self._columns = [i for i, name in enumerate(block.names) if name.startswith(SAID)]

    def told(self, row: int, contributions: list[Record]) -> list[Record]:
        if self._columns:
            values, names = self._block.values[row], self._block.names
            largest = max(self._columns, key=lambda column: (values[column], names[column]))
            for one in contributions:
                if one["metric"].startswith(_NEW_COUNT):
                    one["feature"] = names[largest]
        return contributions


def silence_records(block: Vectors, rows: Sequence[int], cuts: SeverityCuts) -> Iterator[tuple[int, Record]]:
    """The records of silent rows, by the one rule for all of them."""
    import numpy as np

    head, said = _Heads(block, SILENCE), SILENCE.record()
    for row in rows:
        verdict = silence.judge_silence(bool(block.regular[row]))
        rank = int(cuts.rank(np.array([verdict.score]))[0])
        seen = float(block.event_count[row])
        expected = [{"metric": silence.METRIC, "actual": seen, "low": 1.0, "high": float("nan")}]
        why = [{"metric": silence.METRIC, "feature": silence.METRIC, "share": 1.0, "direction": "down"}]
        yield row, head.of(row, verdict.score, rank, verdict.confidence, said, verdict.note, expected, why)


def clock_records(block: Vectors, rows: Sequence[int]) -> Iterator[tuple[int, Record]]:
    """The records of rows that say more about their producer's clock than about what it measures."""
    head, said = _Heads(block, CLOCK), CLOCK.record()
    for row in rows:
        yield row, head.of(row, 0.0, 0, clocks.CONFIDENCE, said, clocks.NOTE, [], [])


class _Heads:
    """The fields of a record that come from the vector, from columns made into lists once."""

    def __init__(self, block: Vectors, model: ModelName) -> None:
        self._profile, self._model = block.profile, model
        self._entity = block.entity
        self._start, self._end = block.window_start.tolist(), block.window_end.tolist()
        self._sequence, self._events = block.sequence.tolist(), block.event_count.tolist()
        self._silent, self._retired = block.silent.tolist(), block.retired.tolist()
        self._regular = block.regular.tolist()

    def of(
        self,
        row: int,
        score: float,
        rank: int,
        confidence: float,
        model: Record,
        note: str,
        expected: list[Record],
        contributions: list[Record],
    ) -> Record:
        """The whole record, its fields in the order of the schema."""
        entity, end = self._entity[row], self._end[row]
        return {
            "id": stable_id(entity, self._profile, end, self._sequence[row], self._model.id, self._model.version),
            "event_count": self._events[row],
            "silent": self._silent[row],
            "retired": self._retired[row],
            "regular": self._regular[row],
            "entity": entity,
            "profile": self._profile,
            "window_start": self._start[row],
            "window_end": end,
            "anomaly_score": score,
            "is_anomaly": rank > 0,
            "severity": NAMES[rank],
            "confidence": confidence,
            "model": model,
            "expected": expected,
            "contributions": contributions,
            "note": note,
        }
