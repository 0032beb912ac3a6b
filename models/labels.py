"""What is known of rows: normal, anomalous or nothing; episodes of them, and cuts in time that divide none.

Labels are read by evaluation, and by training where somebody asks for it (`--use-labels`); here is what training makes
of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.table import thinned
from models.thresholds import Series

Labels = NDArray[np.int8]
"""(n,) one of these for each row."""

UNKNOWN, NORMAL, ANOMALOUS = -1, 0, 1

LATER = 0.2
"""Share of the labelled rows that are the later part: what was learned from the others is judged on it."""

EARLIER_EPISODES, LATER_EPISODES = 5, 3
"""With fewer to learn from, trees learn them by heart. The later part begins as early as it takes to hold so many."""

ANOMALOUS_ROWS, NORMAL_ROWS = 20, 100
"""Least rows of each kind in the earlier part, and of normal ones in the later: a tenth of these is the tail."""


def episodes(label: Labels, series: Series) -> NDArray[np.int64]:
    """(n,) the number of the episode that a row belongs to, −1 for none.

    An episode is a run of anomalous rows of one entity, broken by any other row of it.
    """
    order = np.lexsort((series.time, series.entity))
    entity, anomalous = series.entity[order], label[order] == ANOMALOUS
    begins = anomalous & np.append(True, ~anomalous[:-1] | (entity[1:] != entity[:-1]))
    number = np.empty(len(label), np.int64)
    number[order] = np.where(anomalous, np.cumsum(begins) - 1, -1)
    return number


def from_time(label: Labels, series: Series, time: float) -> NDArray[np.bool_]:
    """(n,) the rows from that time on; an episode that the time divides belongs to what lies before, whole."""
    after = series.time >= time
    episode = episodes(label, series)
    divided = np.intersect1d(episode[after & (episode >= 0)], episode[~after])
    return after & ~np.isin(episode, divided)


def later_part(label: Labels, series: Series) -> NDArray[np.bool_]:
    """(n,) the last fifth of what is labelled, or as much as holds the last three episodes, and what lies beside it.

    Where nothing is labelled, the last fifth of all.
    """
    known = label != UNKNOWN if (label != UNKNOWN).any() else np.ones(len(label), np.bool_)
    episode = episodes(label, series)
    times = np.full(int(episode.max()) + 1, np.inf)
    np.minimum.at(times, episode[episode >= 0], series.time[episode >= 0])
    times = np.sort(times)
    fifth = float(np.quantile(series.time[known], 1.0 - LATER))
    return from_time(label, series, min(fifth, *times[-LATER_EPISODES:]) if len(times) else fifth)


def lesson(label: Labels, time: NDArray[np.int64], unusual: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """At most so many rows to learn from, in time order: first those that are labelled, then usual ones beside them."""
    order = np.argsort(time, kind="stable")
    known = (label != UNKNOWN)[order]
    labelled = thinned(np.flatnonzero(known), most)
    beside = thinned(np.flatnonzero(~known & ~unusual[order]), most - len(labelled))
    return order[np.sort(np.append(labelled, beside))]


def what_is_missing(label: Labels, series: Series) -> str:
    """Why nothing can be learned from these labels, in words; empty where enough is there."""
    later, episode = later_part(label, series), episodes(label, series)
    anomalous, normal = label == ANOMALOUS, label == NORMAL
    there = (
        ("anomalous episodes to learn from", count(episode[~later]), EARLIER_EPISODES),
        ("anomalous rows to learn from", int(np.count_nonzero(anomalous & ~later)), ANOMALOUS_ROWS),
        ("normal rows to learn from", int(np.count_nonzero(normal & ~later)), NORMAL_ROWS),
        ("anomalous episodes to judge by", count(episode[later]), LATER_EPISODES),
        ("normal rows to judge by", int(np.count_nonzero(normal & later)), NORMAL_ROWS),
    )
    return ", ".join(f"{found} {what} of {least}" for what, found, least in there if found < least)


def count(episode: NDArray[np.int64]) -> int:
    """How many episodes there are among these rows."""
    return len(np.unique(episode[episode >= 0]))
