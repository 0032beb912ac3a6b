"""What metrics of log messages are called, for those who compute them and for those who tell people of them."""

from __future__ import annotations

import re

NEW, OTHER = "new messages", "other messages"
"""Metrics of the lines that match no template, and of those whose template has no features of its own."""

SAID = "said__"
"""Begins the names of what a vector carries beside its features: new kinds, by their text, and their lines."""

_NAME = re.compile(rf'(messages "(?P<text>.*)"(?: \(\d+\))?|{NEW}|{OTHER})__count(?:_(?P<window>\d+[smh]|\d+ms))?')


def read_name(feature: str) -> tuple[str, str | None, str | None] | None:
    """Of a feature that counts messages its metric, the template's text and the window (`5m`); None for any other."""
    found = _NAME.fullmatch(feature)
    return None if found is None else (found[1], found["text"], found["window"])


def said_text(feature: str) -> str | None:
    """The text of a new kind that a vector tells of; None for any other feature."""
    return feature.removeprefix(SAID) if feature.startswith(SAID) else None
