"""How a metric is unusual while its value lies where it usually does: told by the feature that weighs most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.incidents.naming import call_window

_Tell = Callable[[bool, str, str], str]


def manner(feature: str, up: bool, plural: bool) -> str:
    """`rose abruptly`, `has varied less than usual`, `has been high over the last 30 samples`: goes on from a name."""
    statistic, _, over = feature.partition("__")[2].partition("_")
    has = "have" if plural else "has"
    return _MANNERS.get(statistic, _together)(up, has, over)


def _moved(up: bool, _: str, __: str) -> str:
    return "rose abruptly" if up else "fell abruptly"


def _varied(up: bool, has: str, _: str) -> str:
    return f"{has} varied {'more' if up else 'less'} than usual"


def _been(up: bool, has: str, over: str) -> str:
    last = f"{over} samples" if over.isdigit() else call_window(over)
    return f"{has} been {'high' if up else 'low'} over the last {last}"


def _headed(up: bool, has: str, _: str) -> str:
    return f"{has} been {'rising' if up else 'falling'}"


def _together(_: bool, has: str, __: str) -> str:
    return f"seldom {has} that value beside what else is seen"


_MANNERS: Mapping[str, _Tell] = {
    "delta": _moved,
    "derivative": _moved,
    "spike": _moved,
    "std": _varied,
    "range": _varied,
    "abs": _varied,
    "churn": _varied,
    "mean": _been,
    "min": _been,
    "max": _been,
    "trend": _headed,
}
"""By the statistic that a feature's name begins with behind its metric; see docs/features.md."""
