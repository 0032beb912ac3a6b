"""For whom a model was made: one entity, a group of them, or all; and which models serve an entity, best first."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping
from urllib.parse import quote

GLOBAL = "global"

_LONGEST = 150


def entity_scope(entity: str) -> str:
    return f"entity={entity}"


def group_scope(group: str) -> str:
    return f"group={group}"


def check_scope(scope: str) -> str:
    """The scope itself. Raises ValueError where it is none."""
    kind, _, name = scope.partition("=")
    if scope != GLOBAL and (kind not in ("entity", "group") or not name):
        raise ValueError(f"{scope!r} is no scope; expected entity=<name>, group=<name> or global")
    return scope


def scopes_of(entity: str, groups: Mapping[str, str]) -> tuple[str, ...]:
    """Where a model for an entity is looked for: its own, its groups' in their order, the global one.

    `groups` gives for each group the pattern (`*`, `?`, `[…]`) of its entities' names.
    """
    own = [group_scope(group) for group, pattern in groups.items() if fnmatch.fnmatchcase(entity, pattern)]
    return (entity_scope(entity), *own, GLOBAL)


def folder_name(scope: str) -> str:
    """A scope as one path segment: percent-encoded, and where that is too long cut and made unique by a hash."""
    kind, equals, name = check_scope(scope).partition("=")
    encoded = quote(name, safe="")
    if len(encoded) > _LONGEST:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        encoded = f"{encoded[:_LONGEST]}~{digest}"
    return f"{kind}{equals}{encoded}"
