"""Control records that move aliases: how they are written and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.registry import Aliases
from models.scope import check_scope
from schemas.records import decode
from workers.runtime.stage import Control
from workers.scoring.aliases import Name

KIND = "alias"


def control_key(name: Name) -> bytes:
    """The key of the record that moves the aliases of a profile and scope: kind and id."""
    return f"{KIND}/{control_id(name)}".encode()


def control_id(name: Name) -> str:
    return "/".join(name)


def control_record(name: Name, aliases: Aliases, time: int, author: str) -> dict[str, Any]:
    """The record, as `schemas.records.encode("Control", …)` takes it. `time` in epoch microseconds."""
    body = {"profile": name[0], "scope": name[1], "champion": aliases.champion, "challenger": aliases.challenger}
    return {"kind": KIND, "id": control_id(name), "time": time, "author": author, "expires_at": None, "body": body}


def read_control(control: Control) -> tuple[Name, Aliases] | None:
    """What a control record says of aliases; None where it is about something else.

    A record taken back puts nothing in force. Raises ValueError where one about aliases cannot be understood.
    """
    if not control.key.startswith(KIND.encode() + b"/"):
        return None
    profile, _, scope = control.key.decode().removeprefix(KIND + "/").partition("/")
    name = (profile, check_scope(scope))
    if control.value is None:
        return name, Aliases()
    records, faults = decode("Control", [control.value])
    if records[0] is None:
        raise ValueError(faults[0].message)
    body = records[0]["body"]
    if not isinstance(body, Mapping) or (body.get("profile"), body.get("scope")) != name:
        raise ValueError(f"the body is not about {profile} {scope}")
    return name, Aliases(_version(body.get("champion")), _version(body.get("challenger")))


def _version(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and value.isalnum()):
        raise ValueError(f"{value!r} is no version of a bundle")
    return value
