"""`{service}` and its like in PromQL: found, and put in so that a name can never become part of the query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NAMES = ("service", "label", "window", "filter")

_PLACE = re.compile(rf"\{{({'|'.join(NAMES)})\}}|\$({'|'.join(NAMES)})\b")
_ANY = re.compile(r"\{([A-Za-z_]\w*)\}|\$\{?([A-Za-z_]\w*)\}?")
_BARE = re.compile(r"[A-Za-z0-9_:]+")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_SIGNS = "\"'`"


class UnusableName(ValueError):
    """A service whose name cannot stand where a query wants it."""


def placeholders(query: str) -> set[str]:
    """The names of the placeholders of a query."""
    return {match[1] or match[2] for match in _PLACE.finditer(query)}


def unknown_placeholders(query: str) -> list[str]:
    """What looks like a placeholder and is none, such as Grafana's `$__rate_interval`.

    In quotes only behind `=` and its like: `label_replace` has `$1` and `$name` of its own.
    """
    found = set()
    for match, quoted in _quoted(query, _ANY):
        if (match[1] or match[2]) not in NAMES and (quoted is None or (quoted.matches and match[2])):
            found.add(match[0])
    return sorted(found)


def fill(query: str, values: Mapping[str, str]) -> str:
    """The query with everything put in. `service` is escaped as where it stands needs it: a text or a regular
    expression; outside of quotes only a name that PromQL takes there is. Raises UnusableName.
    """
    parts, done = [], 0
    for match, quoted in _quoted(query, _PLACE):
        name = match[1] or match[2]
        value = _escaped(values[name], quoted) if name == "service" else values[name]
        parts += [query[done : match.start()], value]
        done = match.end()
    return "".join(parts) + query[done:]


def any_of(names: Sequence[str]) -> str:
    """A regular expression, quoted, that matches exactly these names."""
    return '"' + "|".join(_text(_regex(name), '"') for name in names) + '"'


@dataclass(frozen=True, slots=True)
class _Quotes:
    """A quoted text of a query: by which sign, whether it is matched against a label, and as a regular expression."""

    start: int
    end: int
    sign: str
    matches: bool
    regex: bool


def _escaped(value: str, quoted: _Quotes | None) -> str:
    if quoted is None:
        if not _BARE.fullmatch(value):
            raise UnusableName(f"{value!r} cannot stand outside of quotes in a query")
        return value
    return _text(_regex(value) if quoted.regex else value, quoted.sign)


def _regex(value: str) -> str:
    return _SPECIAL.sub(lambda match: "\\" + match[0], value)


def _text(value: str, sign: str) -> str:
    if sign == "`":  # nothing can be escaped there
        if "`" in value:
            raise UnusableName(f"{value!r} cannot stand between ` in a query: use other quotes")
        return value
    out = value.replace("\\", "\\\\").replace(sign, "\\" + sign)
    return out.replace("\n", "\\n").replace("\r", "\\r")


def _quoted(query: str, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], _Quotes | None]]:
    """Every match, with the quotes that it stands in."""
    spans: list[_Quotes] = []
    at = 0
    while at < len(query):
        sign = query[at]
        if sign in _SIGNS:
            end = at + 1
            while end < len(query) and query[end] != sign:
                end += 2 if query[end] == "\\" and sign != "`" else 1
            before = query[:at].rstrip()
            spans.append(_Quotes(at, end, sign, before.endswith(("=", "=~", "!~")), before.endswith(("=~", "!~"))))
            at = end
        at += 1
    return [
        (match, next((one for one in spans if one.start < match.start() < one.end), None))
        for match in pattern.finditer(query)
    ]
