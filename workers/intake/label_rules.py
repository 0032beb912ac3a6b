"""What the mappings of agents' metrics to base metrics have in common: which metric a rule is about, by its labels."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field

_WILDCARDS = frozenset("*?[")


class LabelRule(BaseModel):
    """`from` is a metric, `name` the base metric that it is or counts for.

    Texts of labels are patterns, as of file names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: str = Field(alias="from", min_length=1)
    name: str = Field(min_length=1)
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    without: dict[str, tuple[str, ...]] = Field(default_factory=dict, alias="except")

    def takes(self, labels: Mapping[str, str]) -> bool:
        """Whether a metric with these labels is meant: all of `where` and none of `except` fits."""
        return fits(self.where, labels) and not any(_is_one(labels, name, self.without[name]) for name in self.without)


def fits(wanted: Mapping[str, tuple[str, ...]], labels: Mapping[str, str]) -> bool:
    """Whether every label is as one of the patterns wants it. A label that is not there is an empty text."""
    return all(_is_one(labels, name, patterns) for name, patterns in wanted.items())


def _is_one(labels: Mapping[str, str], name: str, patterns: tuple[str, ...]) -> bool:
    text = labels.get(name, "")
    return text in patterns or any(fnmatchcase(text, pattern) for pattern in _wild(patterns))


@lru_cache(1_000)
def _wild(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a rule that are more than a text of their own: this is asked for every point of some formats."""
    return tuple(pattern for pattern in patterns if not _WILDCARDS.isdisjoint(pattern))
