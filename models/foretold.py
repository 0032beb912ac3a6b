"""What a model's forecast says of each metric's newest sample, in the metric's own unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.detectors.forecast import RUN, Forecast
from models.scored import Reasons
from models.views import View

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Foretold:
    """Of n vectors and m metrics: what was expected, and the interval that holds it 99 times in 100, each (n, m).

    `columns` (m,) are the metrics' places among the model's features. NaN where a vector lacks a metric's past, and for
    what never moved in training.
    """

    columns: NDArray[np.int64]
    expected: Values
    low: Values
    high: Values

    @classmethod
    def by(cls, detector: Forecast, view: View, seen: Values) -> Foretold:
        """What the detector says of vectors (n, v) as its view shows them."""
        newest = slice(RUN - 1, None, RUN)
        centre, unit = view.centre[newest], view.unit[newest]
        with np.errstate(invalid="ignore", over="ignore"):  # a unit is infinite where nothing moved
            parts = [centre + unit * part for part in detector.expected(seen)]
        expected, low, high = (np.where(np.isfinite(part), part, np.nan) for part in parts)
        return cls(view.columns[newest], expected, low, high)

    def narrow(self, reasons: Reasons, columns: NDArray[np.int64], width: int) -> None:
        """Put the intervals in the place of the usual ranges that the reasons have, wherever the forecast lies in them.

        Where it does not, trouble lasts already: the interval would say what it does next, not what should be.
        `columns` are the places of the model's features among the `width` ones of the vector, which reasons go by.
        """
        places = np.full(width, -1)
        places[columns[self.columns]] = np.arange(len(self.columns))
        which = np.where(reasons.metric >= 0, places[reasons.metric], -1)
        row, place = np.nonzero(which >= 0)
        metric = which[row, place]
        expected = self.expected[row, metric]
        usual = (reasons.low[row, place] <= expected) & (expected <= reasons.high[row, place])  # false for NaN
        row, place, metric = row[usual], place[usual], metric[usual]
        reasons.low[row, place], reasons.high[row, place] = self.low[row, metric], self.high[row, metric]
