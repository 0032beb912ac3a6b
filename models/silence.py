"""The one rule for vectors in which nothing came, the same with and without a model.

A silent vector is anomalous: 2.0 (high) for a regular entity, which reported in at least 90 % of the ten-minute panes
of its last day, else 1.0 (low). The confidence is what `regular` says: 0.9, or 0.5 for an entity that often pauses.
"""

from __future__ import annotations

from dataclasses import dataclass

SCORE_REGULAR, SCORE_IRREGULAR = 2.0, 1.0
CONFIDENCE_REGULAR, CONFIDENCE_IRREGULAR = 0.9, 0.5

MODEL_ID, MODEL_VERSION = "silence", "1"
METRIC = "events_count"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says of one silent vector."""

    score: float
    confidence: float
    note: str


_REGULAR = Verdict(SCORE_REGULAR, CONFIDENCE_REGULAR, "silent; it reported in at least 90 % of its last day")
_IRREGULAR = Verdict(SCORE_IRREGULAR, CONFIDENCE_IRREGULAR, "silent; it did not always report before")


def judge_silence(regular: bool) -> Verdict:
    """The verdict on a silent vector."""
    return _REGULAR if regular else _IRREGULAR
