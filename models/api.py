"""Scoring in one's own code: `models.load(bundle).score(frame)`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.bundle import Bundle, open_bundle
from models.periods import PERIODS, Places
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

        Returns a frame with its index and the columns `anomaly_score` (0 … 10), `is_anomaly` (at least 1.0),
        `severity`, `confidence`, `metric` and `direction` (the largest contribution) and `period`.
        """
        import pandas as pd

        times = pd.to_datetime(frame["timestamp"], utc=True).dt.as_unit("us").astype("int64").to_numpy()
        values = frame.reindex(columns=list(self.features)).to_numpy(np.float64)
        places = self.bundle.manifest.calendar.place(times)
        out = {
            name: np.zeros(len(frame), kind)
            for name, kind in (("anomaly_score", float), ("confidence", float), ("metric", object), ("direction", object))
        }
        used = np.array([self.bundle.period_for(name) for name in PERIODS], object)[places.period]
        for name in sorted(set(used.tolist())):
            rows = np.flatnonzero(used == name)
            self._put(out, rows, self._models[name].score(values[rows], _pick(places, rows)))
        score = out["anomaly_score"]
        return pd.DataFrame(
            {
                "anomaly_score": score,
                "is_anomaly": score >= 1.0,
                "severity": np.array(NAMES, object)[self._cuts.rank(score)],
                "confidence": out["confidence"],
                "metric": out["metric"],
                "direction": out["direction"],
                "period": used,
            },
            index=frame.index,
        )

    def _put(self, out: dict[str, np.ndarray], rows: np.ndarray, scored: Scored) -> None:  # type: ignore[type-arg]
        out["anomaly_score"][rows], out["confidence"][rows] = scored.score, scored.confidence
        first = scored.reasons.metric[:, 0]
        names = np.array([*self.features, None], object)
        out["metric"][rows] = names[first]
        out["direction"][rows] = np.where(first < 0, None, np.where(scored.reasons.up[:, 0], "up", "down"))


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


def _pick(places: Places, rows: np.ndarray) -> Places:  # type: ignore[type-arg]
    return Places(places.period[rows], places.weekend[rows], places.day[rows], places.hour[rows])
