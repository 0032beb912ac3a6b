"""Incidents over time, each entity's as they were and as they would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from models.evaluation.pictures.style import ALARM, MUTED, NORMAL, TRUTH, canvas, dated, labels, nothing, plural
from models.evaluation.streams import DAY

_MOST = 30
_SHADES = {1: 0.45, 2: 0.6, 3: 0.8, 4: 1.0}
_COLOURS = {"same": MUTED, "moves": ALARM, "merges": ALARM, "splits": ALARM, "opens": TRUTH, "disappears": NORMAL}
_WORDS = {"same": "the same", "moves": "moves, merges or splits", "opens": "opens now", "disappears": "disappears"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One incident: who, on which side, from when to when (epoch microseconds), how bad (1 to 4), what became of it."""

    entity: str
    now: bool
    start: int
    end: int
    rank: int
    change: str


def draw_lives(bars: Sequence[Bar], start: int, end: int, finding: str) -> Figure:
    """Two lines an entity, then above now; of too many entities those with the most changes."""
    if not bars:
        return nothing(finding, "No incident opens on either side.")
    shown = _chosen(bars)
    left = len({bar.entity for bar in bars}) - len(shown)
    note = "times are UTC; the darker, the more severe at its worst"
    note += f"; {plural(left, 'more entity') if left == 1 else f'{left} more entities'} not shown" if left else ""
    figure = canvas(finding, note, (12.0, 1.9 + 0.62 * len(shown)))
    axes = figure.subplots()
    least = (end - start) / 400  # narrower could not be seen
    for bar in bars:
        if bar.entity in shown:
            _draw(axes, bar, 2.6 * shown.index(bar.entity) + bar.now, least)
    axes.set_yticks([2.6 * place + side for place in range(len(shown)) for side in (0, 1)])
    names = labels(shown, 24)
    axes.set_yticklabels([text for name in names for text in (f"{name}   then", "now")], fontsize=9)
    axes.set(ylim=(2.6 * len(shown) - 0.9, -0.7), xlim=((start - 2 * least) / DAY, (end + 2 * least) / DAY))
    for place in range(1, len(shown)):
        axes.axhline(2.6 * place - 0.8, color=MUTED, lw=0.4, alpha=0.4)
    dated(axes)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    there = {bar.change for bar in bars}
    there |= {"moves"} if there & {"merges", "splits"} else set()
    handles = [Patch(color=_COLOURS[kind], label=words) for kind, words in _WORDS.items() if kind in there]
    figure.legend(handles=handles, loc="outside upper right", ncols=4, frameon=False)
    return figure


def _draw(axes: Axes, bar: Bar, y: float, least: float) -> None:
    width = max(bar.end - bar.start, least) / DAY
    axes.barh(y, width, 0.8, bar.start / DAY, color=_COLOURS[bar.change], alpha=_SHADES.get(bar.rank, 0.45), lw=0)


def _chosen(bars: Sequence[Bar]) -> list[str]:
    changed: dict[str, int] = {}
    for bar in bars:
        changed[bar.entity] = changed.get(bar.entity, 0) + (bar.change != "same")
    return sorted(sorted(changed, key=lambda entity: (-changed[entity], entity))[:_MOST])
