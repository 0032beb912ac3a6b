"""The indices of a cluster, numbered, and which of them somebody means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from workers.sources.opensearch.server import Server

_RANGE = re.compile(r"(\d+)(?:-(\d+))?$")


class ChoiceError(ValueError):
    """What was asked for is not there; the message says what is."""


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `serial` is its number in the listing, from 1; `docs` is the server's count, nested ones included."""

    serial: int
    name: str
    docs: int
    bytes: int
    shards: int
    health: str
    open: bool


def listing(server: Server, hidden: bool = False) -> list[Index]:
    """All indices by name; those that begin with a dot (of the system, behind data streams) only if `hidden`."""
    rows = [row for row in server.indices() if hidden or not str(row["index"]).startswith(".")]
    return [
        Index(
            number,
            str(row["index"]),
            _whole(row.get("docs.count")),
            _whole(row.get("store.size")),
            _whole(row.get("pri")),
            str(row.get("health") or ""),
            row.get("status") == "open",
        )
        for number, row in enumerate(sorted(rows, key=lambda row: str(row["index"])), 1)
    ]


def choose(server: Server, known: Sequence[Index], names: Sequence[str], serials: Sequence[str] = ()) -> list[str]:
    """The indices meant, each once, in the order asked for.

    A name may be that of an index, a pattern (`events-*`), or an alias or data stream, which stands for its indices;
    where there is no such name, digits are serial numbers. Serials may be ranges: `2-5`. Raises ChoiceError.
    """
    chosen: list[str] = []
    by_name = {index.name: index for index in known}
    for name in names:
        if name in by_name:
            chosen.append(name)
        elif any(sign in name for sign in "*?["):
            chosen += _matching(known, name)
        elif _RANGE.match(name):
            chosen += _numbered(known, name)
        else:
            found = server.resolve(name)
            if not found:
                raise ChoiceError(f"no index, alias or data stream {name}; `faultline opensearch list` shows what is")
            chosen += found
    for serial in serials:
        chosen += _numbered(known, serial)
    closed = [name for name in chosen if name in by_name and not by_name[name].open]
    if closed:
        raise ChoiceError(f"closed and so not readable: {', '.join(closed)}; open them, or leave them out")
    return list(dict.fromkeys(chosen))


def _matching(known: Sequence[Index], pattern: str) -> list[str]:
    found = [index.name for index in known if index.open and fnmatchcase(index.name, pattern)]
    if not found:
        raise ChoiceError(f"no index is called {pattern}; `faultline opensearch list` shows what there is")
    return found


def _numbered(known: Sequence[Index], text: str) -> list[str]:
    match = _RANGE.match(text.strip())
    if match is None:
        raise ChoiceError(f"{text} is no serial number; give such as 3 or 2-5, by `faultline opensearch list`")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= len(known):
        raise ChoiceError(f"{text}: there are {len(known)} indices, numbered from 1; `faultline opensearch list`")
    return [known[number - 1].name for number in range(first, last + 1)]


def _whole(value: Any) -> int:
    """Closed indices have no figures."""
    return int(value) if value else 0
