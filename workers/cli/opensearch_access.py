"""Reaching the cluster that somebody means, and asking which of its indices."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.prompt import Prompt

from workers.cli.failures import Failure, WrongUse
from workers.cli.opensearch_options import words_of
from workers.cli.output import print_table
from workers.cli.voice import Voice
from workers.settings import Settings
from workers.sources.opensearch.connection import Address, AddressError
from workers.sources.opensearch.listing import ChoiceError, Index, choose, listing
from workers.sources.opensearch.raw import RawError
from workers.sources.opensearch.server import Server, ServerError
from workers.sources.stopping import Interrupted, interruptible


def address_of(
    settings: Settings, url: str, user: str, password_file: Path | None, ca_certs: str, insecure: bool
) -> Address:
    """The cluster that flags name, or else the settings. Raises `WrongUse`."""
    known = settings.opensearch
    if not (url or known.url):
        raise WrongUse("which cluster? Give --es-url https://host:9200, or set FAULTLINE_OPENSEARCH__URL")
    password = known.password
    if password_file is not None:
        try:
            password = password_file.read_text().split("\n", 1)[0].strip("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongUse(f"--password-file {password_file}: cannot be read") from error
    own = url and not user and password_file is None  # a URL of its own may bring credentials of its own
    try:
        return Address.parse(
            url or known.url,
            user=user or ("" if own and "@" in url else known.user),
            password="" if own and "@" in url else password,
            token=known.token,
            ca_certs=ca_certs or known.ca_certs,
            insecure=insecure or known.insecure,
            timeout=known.timeout_ms / 1000,
            patience=known.patience_ms / 1000,
        )
    except AddressError as error:
        raise WrongUse(str(error)) from error


def interactive(non_interactive: bool) -> bool:
    """Whether somebody is there to be asked."""
    return not non_interactive and sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def plain_errors() -> Iterator[None]:
    """What a source of documents cannot do, as one sentence; a stop too, wherever nobody else says more of it."""
    try:
        yield
    except ChoiceError as error:
        raise WrongUse(str(error)) from error
    except (ServerError, RawError) as error:
        raise Failure(str(error)) from error
    except Interrupted:
        raise Failure("stopped while the cluster was waited for") from None


def pick(server: Server, voice: Voice, indices: str, serials: str, ask: bool) -> list[str]:
    """The indices meant by flags, or asked for. Raises `WrongUse` where neither says."""
    if not indices and not serials and not ask:
        raise WrongUse(
            "which indices? Give --indices NAME,… or --index-serials N,…; `faultline opensearch list` shows them"
        )
    known = listing(server)
    names, numbers = words_of(indices), words_of(serials)
    if not names and not numbers:
        show(known)
        with interruptible():
            answer = Prompt.ask("Indices: names, patterns or numbers, separated by commas", console=voice.console)
        names = words_of(answer)
        if not names:
            raise WrongUse("no index was chosen")
    chosen = choose(server, known, names, numbers)
    if not chosen:
        raise WrongUse("no index was chosen")
    return chosen


def show(known: Sequence[Index]) -> None:
    """The listing as a table on standard output."""
    rows = [[one.serial, one.name, f"{one.docs:,}", size(one.bytes), one.shards, one.health] for one in known]
    print_table(["#", "index", "documents", "size", "shards", "health"], rows)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
