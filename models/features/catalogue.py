"""The page that lists every feature of every profile: `python -m models.features.catalogue > docs/features.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from models.features.event import EVENT
from models.features.generic import GENERIC
from models.features.host import BASE, HOST
from models.features.logs import LOGS
from models.features.service import SERVICE
from models.features.sets import Feature, FeatureSet

_INTRODUCTION = """# Features

Every number of every vector, by profile: its name, its unit and how it is computed. This page is written by
`python -m models.features.catalogue`; a test holds it to the code. The same compiled functions compute features live
and in training.

* A missing value is NaN: where a metric was not sent, where a window holds too little, where a divisor is 0.
* A name is the metric, two underscores, and what was computed of it; the metric alone is its value. The `service`
  profile names its windows at the end instead (`_5m`).
* Times are UTC. A flag is 0 or 1.
* The hash of a set covers names, units and formulas. A model is only given vectors of the set that it was trained on.
"""

_SERVICE = """The entity's panes and rolling windows, closed by event time.
"""

_HOST = """One vector per sample of the agent. A sample is all that a host's events of one timestamp say. The first
{base} are the base metrics themselves, by the names that events of kind `host` carry; a counter is turned into its
increase since the sample before, a reset handled.
"""

_GENERIC = """One vector per sample. `<metric>` stands for each metric of the entity, in the order of their names: those
in its last 30 samples or its last hour. So vectors carry their names, and the hash is the same whatever the metrics. An
entity may have 256 metrics (`windows.max_metrics`).

Windows of samples end with the sample itself and leave missing values out; a sample that comes late joins the windows
of those that follow. Panes are ten minutes by the clock.
"""

_LOGS = """Messages by kind, over panes and rolling windows; on where templates are named ([logs](logs.md)).
`messages "<template>"` stands for each template that has features of its own, called by its text, at most 48
characters of it. Vectors carry their names; the hash covers that of the file of templates, so it is another one for
each file, and none is shown here. A vector that counts new messages also carries up to three of `said__<text>`: the new
kinds with the most lines in the second window, and their lines. These are for people, and no model learns from them.
"""

_EVENT = """One vector per API or log event, given out at the event's own record; off unless enabled.
"""


def render() -> str:
    """The whole page, as Markdown."""
    sections = (
        (SERVICE, _SERVICE),
        (HOST, _HOST.format(base=len(BASE))),
        (GENERIC, _GENERIC),
        (EVENT, _EVENT),
        (LOGS, _LOGS),
    )
    return "\n".join([_INTRODUCTION, *(line for one, text in sections for line in _section(one, text))])


def _section(features: FeatureSet, text: str) -> Iterator[str]:
    yield f"## `{features.profile}`: {len(features.features)} features"
    yield ""
    yield text
    told = f", hash `{features.hash}`" if features is not LOGS else ""
    yield f"Version {features.version}{told}."
    yield ""
    yield from _table(features.features)
    yield ""


def _table(features: Iterable[Feature]) -> Iterator[str]:
    yield "| feature | unit | formula |"
    yield "|---|---|---|"
    for feature in features:
        formula = feature.formula.replace("|", "\\|")
        yield f"| `{feature.name}` | {feature.unit} | {formula} |"


if __name__ == "__main__":
    sys.stdout.write(render())
