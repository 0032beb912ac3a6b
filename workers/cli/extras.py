"""Libraries of extras: which one a command lacks and how to get it, said one way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from workers.cli.failures import Failure

_OURS = ("workers", "models", "schemas")


def lacking(what: str, library: str, extra: str, otherwise: str = "") -> Failure:
    """`what` cannot be done without a library that `extra` brings; `otherwise` is a way around it."""
    way = f"; or {otherwise}" if otherwise else ""
    return Failure(f"{what} needs {library}. Install: pip install 'faultline[{extra}]'{way}")


@contextmanager
def needing(what: str, extra: str, otherwise: str = "") -> Iterator[None]:
    """Around imports: raises `Failure` where a library is missing. A module of our own that is missing is a bug."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in _OURS:
            raise
        raise lacking(what, error.name or "a library", extra, otherwise) from error


def need(what: str, extra: str, *libraries: str) -> None:
    """Raises `Failure` where one of the libraries is missing, without importing any."""
    for library in libraries:
        if find_spec(library) is None:
            raise lacking(what, library, extra)
