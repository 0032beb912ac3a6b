"""The replay behind `faultline models compare`: two bundles over the same data, as the scoring worker has a champion
with a challenger in its shadow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.registry import Aliases, Entry, Registry
from schemas.columns import Events, Vectors
from schemas.records import decode
from workers.cli.backtesting import TableRows, first_reason
from workers.cli.failures import Failure
from workers.cli.judged_data import Data, covered
from workers.cli.offline import Feed, feature_records, select
from workers.runtime.records import Output
from workers.scoring.aliases import Name
from workers.scoring.loading import Loading
from workers.scoring.policy import Policy
from workers.scoring.scores import CHALLENGER, CHAMPION
from workers.scoring.stage import ScoringStage
from workers.settings import Settings

SIDES = ("a", "b")
_KEY = ["entity", "time"]
_COLUMNS = [*_KEY, "score", "flag", "reason"]


class _Served(Registry):
    """A registry with other versions in force than its own aliases say, and nothing else in force."""

    def __init__(self, url: str, trusted: Sequence[str], served: Mapping[Name, Aliases]) -> None:
        super().__init__(url, trusted)
        self._served = served

    def in_force(self) -> Iterator[tuple[str, str, Aliases]]:
        for (profile, scope), aliases in self._served.items():
            yield profile, scope, aliases


@dataclass(slots=True)
class _Seen:
    """What the data's vectors of the profile were."""

    feature_sets: Counter[str] = field(default_factory=Counter)
    entities: set[str] = field(default_factory=set)


def compare(blocks: Iterable[Events], rows: TableRows, first: Entry, second: Entry, settings: Settings) -> pd.DataFrame:
    """One line per vector that either bundle has scored, by entity and time.

    Columns: entity, time (epoch microseconds), and with the ending ` a` and ` b` score, flag and reason of each.
    Causal, as a backtest. Raises `BundleError` where a bundle is damaged, `Failure` where no vector was scored by both.
    """
    feed, seen = Feed(_stage(first, second, settings), "features"), _Seen()
    said: dict[str, list[tuple[Any, ...]]] = {CHAMPION: [], CHALLENGER: []}

    def mine(block: Vectors) -> Sequence[bool]:
        if block.profile != first.profile:
            return [False] * len(block)
        chosen = [rows.wants(*key) for key in zip(block.entity, block.window_end.tolist(), strict=True)]
        seen.feature_sets[block.feature_set] += sum(chosen)
        seen.entities.update(entity for entity, keep in zip(block.entity, chosen, strict=True) if keep)
        return chosen

    for features in feature_records(blocks, settings):
        outputs = feed.take_outputs(select(features, mine))
        for score in _scores(outputs, settings):
            lines = said.get(score["model"]["role"])
            if lines is not None:
                value, flag = score["anomaly_score"], score["is_anomaly"]
                lines.append((score["entity"], score["window_end"], value, flag, first_reason(score)))
    joined = _join(said[CHAMPION], said[CHALLENGER])
    if not joined[[f"score {side}" for side in SIDES]].notna().all(axis=1).any():
        raise Failure(_why_none(first, second, seen))
    return joined


def _stage(first: Entry, second: Entry, settings: Settings) -> ScoringStage:
    """The scoring worker's stage with these two in force, both of them read whole."""
    place = settings.registry
    served: dict[Name, Aliases] = {}
    for entry in (first, second):
        Registry(place.url, place.trusted_keys).open(entry.profile, entry.scope, entry.version).verify()
    if first.scope == second.scope:
        served[first.profile, first.scope] = Aliases(first.version, second.version)
    else:
        served[first.profile, first.scope] = Aliases(champion=first.version)
        served[second.profile, second.scope] = Aliases(challenger=second.version)
    return ScoringStage(
        Policy.of(settings), Loading(_Served(place.url, place.trusted_keys, served), settings.scoring.cache_mb)
    )


def _scores(outputs: Sequence[Output], settings: Settings) -> Iterator[dict[str, Any]]:
    values = [one.value for one in outputs if one.topic == settings.topics.scores]
    yield from (score for score in decode("Score", values)[0] if score is not None)


def _join(first: list[tuple[Any, ...]], second: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Both scores of each vector. Vectors of one entity and time, as those of single events, are told apart by their
    order.
    """
    sides = []
    for rows in (first, second):
        frame = pd.DataFrame(rows, columns=_COLUMNS)
        sides.append(frame.assign(place=frame.groupby(_KEY).cumcount()))
    joined = sides[0].merge(sides[1], how="outer", on=[*_KEY, "place"], suffixes=(" a", " b"))
    return joined.sort_values([*_KEY, "place"], ignore_index=True).drop(columns="place")


def labelled(rows: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The rows with a column `label`: by the tables, or by the truth beside made-up events; NaN where neither says."""
    if data.tables:
        known = data.rows[[*_KEY, "label"]].drop_duplicates(_KEY)
        return rows.merge(known, how="left", on=_KEY)
    return rows.assign(label=covered(rows, data.truth) if data.truth else np.nan)


def _why_none(first: Entry, second: Entry, seen: _Seen) -> str:
    """Why no vector was scored by both, and what to do."""
    if not seen.entities:
        return (
            f"DATA gives no vector of the profile {first.profile} to score: is it of other telemetry, are all rows of "
            "the split train, or is the profile not enabled (FAULTLINE_WINDOWS__ENABLED)?"
        )
    feature_set = first.manifest.feature_set
    if feature_set not in seen.feature_sets:
        other = ", ".join(sorted(seen.feature_sets))
        return (
            f"DATA gives vectors of the feature set {other}, both versions are of {feature_set}: train anew with the "
            "profiles as they are, or compare with those that the versions were trained with"
        )
    return (
        f"no vector was scored by both: {first.version} serves {first.scope}, {second.version} {second.scope}, and "
        f"DATA has {', '.join(sorted(seen.entities)[:5])}{' …' if len(seen.entities) > 5 else ''} "
        "(groups: FAULTLINE_SCORING__GROUPS)"
    )
