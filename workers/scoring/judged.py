"""What one model has said of some rows of a block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.knowledge import Knowledge
from models.model import PeriodModel
from models.periods import Places
from models.possible import Limits, cut
from models.scored import Scored
from models.severity import SeverityCuts
from schemas.columns import Vectors
from workers.scoring.scores import ModelName, Record, score_records

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Learned:
    """The model that scored n rows, of which bundle, and what it saw: values (n, k) by its names, and their places."""

    bundle: Bundle
    model: PeriodModel
    values: NDArray[np.float64]
    places: Places


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows of one block that one model has scored, or the untrained rule (`by` None), which saw `untrained` (n, k)."""

    block: Vectors
    rows: Rows
    names: Sequence[str]
    scored: Scored
    said: ModelName
    by: Learned | None = None
    untrained: NDArray[np.float64] | None = None

    def records(self, cuts: SeverityCuts, knowledge: Knowledge) -> Iterator[tuple[int, Record]]:
        """The score of each row; what was expected is cut to what is possible."""

        def said(row: int, metric: str) -> Limits | None:
            return knowledge.limits(self.block.entity[int(self.rows[row])], metric)

        cut(self.scored.reasons, self.names, said if knowledge.has_limits else None)
        return score_records(self.block, self.rows.tolist(), self.names, self.scored, self.said, cuts)
