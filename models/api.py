"""Scoring in one's own code: `models.load(bundle).score(frame)`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle, open_bundle
from models.periods import ALL, PERIODS, Places
from models.scored import Scored
from models.severity import NAMES, SeverityCuts

if TYPE_CHECKING:
    import pandas as pd


class Model:
    """A bundle ready to score frames of vectors, each row by the model of its period."""

    def __init__(self, bundle: Bundle, cuts: SeverityCuts | None = None) -> None:
        self.bundle = bundle
        self._cuts = cuts or SeverityCuts()
        self._models = {name: bundle.period(name) for name in bundle.manifest.periods}

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that a frame should have; missing ones count as missing values."""
        return self.bundle.manifest.features

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score a frame with a column `timestamp` (end of the window, with a zone or UTC) and feature columns.

        The boundary is that of training: the threshold that an entity finds for itself is the scoring worker's to know.
        Returns a frame with its index and the columns `anomaly_score` (0 … 10), `is_anomaly` (at least 1.0),
        `probability` (that it is an anomaly), `severity`, `confidence` (that the verdict is right), `metric` and
        `direction` (the largest contribution) and `period`.
        """
        import pandas as pd

        values, places, used = self._read(frame)
        n = len(frame)
        out: dict[str, NDArray[Any]] = {"anomaly_score": np.zeros(n), "confidence": np.zeros(n)}
        out |= {"metric": np.empty(n, object), "direction": np.empty(n, object)}
        for name in sorted(set(used.tolist())):
            rows = np.flatnonzero(used == name)
            self._put(out, rows, self._models[name].score(values[rows], places.take(rows)))
        score = out["anomaly_score"]
        return pd.DataFrame(
            {
                "anomaly_score": score,
                "is_anomaly": score >= 1.0,
                "probability": np.where(score >= 1.0, out["confidence"], 1.0 - out["confidence"]),
                "severity": np.array(NAMES, object)[self._cuts.rank(score)],
                "confidence": out["confidence"],
                "metric": out["metric"],
                "direction": out["direction"],
                "period": used,
            },
            index=frame.index,
        )

    def member_scores(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What each member of the ensemble says by itself: a column of calibrated scores for each, boundary 1.0.

        The frame is that of `score`. Columns are numbered where a detector is a member twice. NaN where the model of
        the row's period lacks a member that another one has.
        """
        import pandas as pd

        values, places, used = self._read(frame)
        parts = []
        for name in sorted(set(used.tolist())) or [ALL]:
            rows = np.flatnonzero(used == name)
            found = self._models[name].member_scores(values[rows], places.take(rows))
            members = self.bundle.manifest.periods[name].members[: found.shape[1]]
            twice = len(set(members)) < len(members)
            columns = [f"{member} {at}" if twice else member for at, member in enumerate(members, 1)]
            parts.append(pd.DataFrame(found, columns=columns, index=rows))
        whole = pd.concat(parts).sort_index()
        return whole.set_index(frame.index)

    def forecast(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What each metric was expected to be, by the samples before it; the frame is that of `score`.

        Returns a row for each row and metric, with the frame's index and the columns `metric`, `actual`, `forecast`,
        `low` and `high`: the interval that holds the value 99 times in 100. NaN where a row lacks the metric's past,
        and for what never moved in training. Raises ValueError where no member of the model forecasts.
        """
        import pandas as pd

        values, _, used = self._read(frame)
        parts = []
        for name in sorted(set(used.tolist())) or [ALL]:
            model, rows = self._models[name], np.flatnonzero(used == name)
            found = model.foretell(values[rows])
            if found is None:
                raise ValueError("the model has no forecast: name one among its detectors (`--detectors forecast`)")
            columns = model.columns[found.columns]
            numbers = {"actual": values[np.ix_(rows, columns)], "forecast": found.expected}
            numbers |= {"low": found.low, "high": found.high}
            metric = np.tile(np.array(self.features)[columns], len(rows))
            part = pd.DataFrame({"row": np.repeat(rows, len(columns)), "metric": metric})
            parts.append(part.assign(**{name: number.ravel() for name, number in numbers.items()}))
        whole = pd.concat(parts).sort_values("row", kind="stable")
        return whole.set_index(frame.index[whole.pop("row")])

    def _read(self, frame: pd.DataFrame) -> tuple[NDArray[np.float64], Places, NDArray[Any]]:
        """The values (n, k) of a frame, where its rows lie in time, and the model (n,) that is to judge each."""
        import pandas as pd

        stamps = pd.to_datetime(frame["timestamp"], utc=True).dt.as_unit("us")
        places = self.bundle.manifest.calendar.place(np.asarray(stamps.astype("int64"), np.int64))
        values = frame.reindex(columns=list(self.features)).to_numpy(np.float64)
        used = np.array([self.bundle.period_for(name) for name in PERIODS], object)[places.period]
        return values, places, used

    def _put(self, out: dict[str, NDArray[Any]], rows: NDArray[np.intp], scored: Scored) -> None:
        out["anomaly_score"][rows], out["confidence"][rows] = scored.score, scored.confidence
        first = scored.reasons.metric[:, 0]
        names = np.array([*self.features, None], object)
        out["metric"][rows] = names[first]
        ways = np.array(["down", "up", None], object)
        out["direction"][rows] = ways[np.where(first < 0, 2, scored.reasons.up[:, 0])]


def load(place: str | Path) -> Model:
    """Load a bundle from its folder (`…/<version>`), or from its manifest's path, and check all of it.

    Raises `models.manifest.BundleError` where anything is damaged. Nothing in a bundle is executed.

        model = load("registry/service/global/3f0c…")
        model.score(frame)[["anomaly_score", "is_anomaly", "metric"]]
    """
    folder = Path(place)
    if folder.is_file():
        folder = folder.parent
    version = folder.name if len(folder.name) == 32 else None
    return Model(open_bundle(lambda name: (folder / name).read_bytes(), version))
