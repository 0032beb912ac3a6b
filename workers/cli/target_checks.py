"""What `faultline config check` looks at of the targets of pages: whether they are there. Nobody is paged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from workers.addresses import Credentials
from workers.cli.checks import Finding
from workers.notify.building import target_of
from workers.notify.kinds import kind_of
from workers.settings import Settings

_SECONDS = 5.0
_SERVER_ERRORS, _NOT_IMPLEMENTED = 500, 501


def check_targets(settings: Settings) -> Iterator[Finding]:
    """One finding a target; addresses only as far as their host, since the rest of some is secret."""
    for name in sorted(settings.notify.targets):
        yield _check(settings, name)


def _check(settings: Settings, name: str) -> Finding:
    target = target_of(settings, name)
    check, own = f"target {name}", target.settings
    carrier = kind_of(target).carrier
    if carrier == "kafka":
        return Finding(check, "ok", f"writes to the topic {own.url}; whether it is there tells faultline worker notify")
    if carrier == "files":
        return _folder(check, Path(own.url))
    url = own.url or (target.secret if own.kind == "slack" else "https://events.pagerduty.com")
    return _answers(check, f"{url.rstrip('/')}/-/ready" if own.kind == "alertmanager" else _root(url))


def _folder(check: str, folder: Path) -> Finding:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK):
        return Finding(check, "ok", f"{folder} can be written to")
    return Finding(check, "failed", f"{folder} cannot be written to", "Give the worker's user the right to write there")


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _answers(check: str, url: str) -> Finding:
    """Any answer that is no server's error will do: a receiver of POST need not like a GET."""
    plain, headers = Credentials.of(url)
    host = urlsplit(plain).netloc
    fix = f"Correct url of notify.targets.{check.removeprefix('target ')}, or see why it does not answer"
    try:
        with urlopen(Request(plain, headers=headers), timeout=_SECONDS) as response:  # noqa: S310 - http(s) by the settings
            status = response.status
    except HTTPError as error:
        status = error.code
    except (URLError, OSError, ValueError) as error:
        return Finding(check, "failed", f"{host}: {error}", fix)
    if status >= _SERVER_ERRORS and status != _NOT_IMPLEMENTED:
        return Finding(check, "failed", f"{host} answers with {status}", fix)
    return Finding(check, "ok", f"{host} answers")
