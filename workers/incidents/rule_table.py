"""Which rules of feedback are in force, from which input offset on, and how that is logged and read back.

The log is one record a rule in the stage's compacted state topic, with all that a replay may still need of it. The
table is what the log holds, always: a rule is dropped from both at once, and only by a take-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from workers.incidents.feedback import NO_RULES, Feedback, Rules, dump_feedback, load_feedback
from workers.runtime.stage import NO_WATERMARK

KEPT = 16
"""Take-ups remembered of one rule. A replay reaches back some minutes; rules are changed by people."""

_KEY = b"\xfffeedback/"
"""Not the beginning of any text, and so of no entity's name: those are the other keys of the topic."""

_UNKNOWN: tuple[Rules, int, int | None] = (NO_RULES, 0, 0)
"""What is in force, from which offset on, and before which: before none, so it is looked up anew."""


@dataclass(frozen=True, slots=True)
class Taken:
    """From input offset `offset` on this is said (None: nothing any more), by the control record at `control`.

    `watermark` is the one just before that offset.
    """

    offset: int
    control: int
    watermark: int
    feedback: Feedback | None


class RuleTable:
    """The take-ups of every rule, oldest first. Mutable; `version` grows with every change."""

    __slots__ = ("_at", "_history", "_rules", "_until", "version")

    def __init__(self) -> None:
        self._history: dict[str, tuple[Taken, ...]] = {}
        self.version = 0
        self._rules, self._at, self._until = _UNKNOWN

    def __len__(self) -> int:
        return len(self._history)

    def latest(self, id_: str) -> Taken | None:
        history = self._history.get(id_)
        return history[-1] if history else None

    def put(self, id_: str, taken: Taken) -> None:
        """Add a take-up; one at the same offset replaces the one before."""
        before = [one for one in self._history.get(id_, ()) if one.offset < taken.offset]
        self._history[id_] = (*before, taken)[-KEPT:]
        self._changed()

    def surplus(self, most: int) -> list[str]:
        """Rules above so many, those first that expire first."""
        said = [(one[-1].feedback.expires_at, id_) for id_, one in self._history.items() if one[-1].feedback]
        return [id_ for _, id_ in sorted(said)[: max(0, len(said) - most)]]

    def drop(self, settled_by: int, expired_by: int) -> list[str]:
        """Forget what no replay can meet that begins at a watermark above `settled_by`: what was taken back until then,
        and what expired at or before `expired_by`. Returns the ids of rules of which nothing is left, sorted: a
        compacted log does not keep the order in which they came.
        """
        gone = sorted(id_ for id_, history in self._history.items() if _over(history, settled_by, expired_by))
        for id_ in gone:
            del self._history[id_]
        if gone:
            self._changed()
        return gone

    def at(self, offset: int) -> Rules:
        """The rules for the record at that offset, those said last first."""
        if not self._history:
            return NO_RULES
        if not (self._at <= offset and (self._until is None or offset < self._until)):
            taken = [[one for one in history if one.offset <= offset][-1:] for history in self._history.values()]
            now = sorted((one for last in taken for one in last), key=lambda one: -one.control)
            self._rules = Rules(one.feedback for one in now if one.feedback is not None)
            later = [one.offset for history in self._history.values() for one in history if one.offset > offset]
            self._at, self._until = offset, min(later, default=None)
        return self._rules

    def in_force(self, now: int) -> int:
        """How many rules hold at event time `now` or will."""
        return sum(1 for one in self._history.values() if (said := one[-1].feedback) and said.expires_at >= now)

    def log(self, id_: str) -> tuple[bytes, bytes | None]:
        """Key and value of a rule's record in the log; no value where nothing is left of it."""
        history = self._history.get(id_)
        return _KEY + id_.encode(), None if history is None else orjson.dumps(_dump(history))

    def decode(self, key: bytes, value: bytes) -> bool:
        """Take a log record in; False where the key is none of ours."""
        if not key.startswith(_KEY):
            return False
        self._history[key.removeprefix(_KEY).decode()] = _load(orjson.loads(value))
        self._changed()
        return True

    def encode(self) -> bytes:
        """The whole table, for a checkpoint."""
        rules = {id_: _dump(history) for id_, history in self._history.items()}
        return orjson.dumps({"version": self.version, "rules": rules})

    @classmethod
    def restore(cls, blob: bytes) -> RuleTable:
        """What `encode` was given."""
        values = orjson.loads(blob)
        table = cls()
        table._history = {id_: _load(history) for id_, history in values["rules"].items()}
        table.version = values["version"]
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self._history)

    def _changed(self) -> None:
        self.version += 1
        self._rules, self._at, self._until = _UNKNOWN


def _over(history: tuple[Taken, ...], settled_by: int, expired_by: int) -> bool:
    last = history[-1]
    if last.feedback is not None and last.feedback.expires_at > expired_by:
        return False
    return last.watermark <= settled_by or (len(history) == 1 and last.feedback is not None)


def _dump(history: tuple[Taken, ...]) -> list[dict[str, object]]:
    return [
        {
            "offset": one.offset,
            "control": one.control,
            "watermark": one.watermark,
            "feedback": one.feedback and dump_feedback(one.feedback),
        }
        for one in history
    ]


def _load(values: list[Mapping[str, Any]]) -> tuple[Taken, ...]:
    return tuple(
        Taken(
            one["offset"],
            one["control"],
            one.get("watermark", NO_WATERMARK),  # logs of older versions do not tell it
            one["feedback"] and load_feedback(one["feedback"]),
        )
        for one in values
    )
