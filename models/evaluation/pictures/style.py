"""How all pictures look: a finding on top, the small print below, colours that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

NORMAL, TRUTH, ALARM, MUTED = "#1b9e77", "#d95f02", "#7570b3", "#666666"
"""Of ColorBrewer's Dark2; grey for what only helps to read."""

DPI = 120


def canvas(finding: str, note: str = "", size: tuple[float, float] = (8.0, 5.0)) -> Figure:
    """An empty figure of that size in inches with its headline and small print."""
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
    figure.suptitle(finding, x=0.02, ha="left", fontsize=13, fontweight="bold", wrap=True)
    if note:
        figure.supxlabel(note, x=0.02, ha="left", fontsize=8.5, color=MUTED)
    return figure


def plain(axes: Axes) -> None:
    """No frame besides the two axes."""
    axes.spines[["top", "right"]].set_visible(False)


def dated(axes: Axes) -> None:
    """Days since 1970 along the bottom, told as dates in UTC, as briefly as they can be."""
    axes.xaxis_date(tz=UTC)
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]


def nothing(finding: str, why: str) -> Figure:
    """A small figure that says why there is nothing to draw."""
    figure = canvas(finding, size=(8.0, 1.8))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.0, 0.5, why, va="center", fontsize=11, color=MUTED, wrap=True)
    return figure


def legend_in(axes: Axes, place: Literal["best", "lower right", "upper right"]) -> None:
    """A legend inside of a picture, readable over whatever lies below it."""
    axes.legend(loc=place, facecolor="white", edgecolor="none", framealpha=0.85)


def percent(share: float) -> str:
    """A share with as many digits as tell it from 0 and from all."""
    if share in (0.0, 1.0) or 0.1 <= share <= 0.99:
        return f"{share:.0%}"
    return f"{share:.1%}" if 0.005 <= share <= 0.995 else f"{share:.2%}"


def exactly(share: float) -> str:
    """A share that people stated, as they stated it."""
    return f"{100 * share:.6g}%"


def plural(count: int, word: str) -> str:
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def shortened(name: str, most: int = 28) -> str:
    """A name that fits beside an axis: its middle may go."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def labels(names: Sequence[str], most: int = 28) -> list[str]:
    """Short names beside each other: of long ones goes what all begin or end with, as far as it must."""
    longest = max(map(len, names), default=0)
    start, end = (_shared(names), _shared([name[::-1] for name in names])) if longest > most else (0, 0)
    end = min(end, min(map(len, names), default=0) - start)
    surplus = longest - most + 2  # two signs say that something is left out
    before = min(start, max(0, surplus - end, surplus // 2))
    after = min(end, max(0, surplus - before))
    return [shortened(_without(name, before, after), most) for name in names]


def _without(name: str, before: int, after: int) -> str:
    middle = name[before : len(name) - after]
    return f"{'…' if before else ''}{middle}{'…' if after else ''}"


def _shared(texts: Sequence[str]) -> int:
    """How many characters all begin with."""
    low, high = min(texts), max(texts)
    pairs = zip(low, high, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(low), len(high)))
