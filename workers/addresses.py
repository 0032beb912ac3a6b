"""Addresses for eyes and logs: what is secret in a URL is taken out of any text that holds one."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

HIDDEN = "***"

# Up to the last @ of the authority. A colon that no port follows begins a password, in which people write a slash too.
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*)://([^/\s]*:(?!\d*/)[^\s,]*|[^/\s]*)@", re.I)
_QUERY = re.compile(r"(?<=://)([^?\s]*\?)[^\s'\"]+")
"""What stands behind the ? of an address is a token often enough."""

_CONTAINERS = frozenset({"abfs", "abfss", "wasb", "wasbs"})
"""Here what stands before the @ is a place: container@account."""


def without_secrets(text: str) -> str:
    """The text, with what is secret in its URLs hidden: passwords, users that stand alone (tokens often), queries."""
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\1{HIDDEN}", _USER_INFO.sub(_without_user_info, text))


def _without_user_info(found: re.Match[str]) -> str:
    scheme, info = found.groups()
    user, colon, password = info.partition(":")
    if not colon and scheme.lower() in _CONTAINERS:
        return found[0]
    return f"{scheme}://{user}:{HIDDEN}@" if user and password else f"{scheme}://{HIDDEN}@"


class Credentials(NamedTuple):
    """A URL without its user information, and that as a header of HTTP: none, or `Authorization`."""

    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, url: str) -> Credentials:
        parts = urlsplit(url)
        info, at, host = parts.netloc.rpartition("@")
        if not at:
            return cls(url, {})
        pair = ":".join(unquote(part) for part in (*info.split(":", 1), "")[:2])
        plain = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
        return cls(plain, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"})
