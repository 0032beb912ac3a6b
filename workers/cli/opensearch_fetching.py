"""Downloading several indices, one after the other, with one bar for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from workers.cli.failures import Failure
from workers.cli.voice import Voice
from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.contact import Contact
from workers.sources.opensearch.download import Download, Downloaded
from workers.sources.stopping import Interrupted


def fetch(
    address: Address,
    place: Path,
    indices: Sequence[str],
    slices: int,
    force: bool,
    voice: Voice,
    stopped: Callable[[], bool],
) -> list[Downloaded]:
    """Download what is not in the folder yet, from a cluster that has answered.

    Raises `Failure` on a stop, `ServerError` and `RawError`.
    """
    download = Download(address, place, slices, stopped, Contact(voice.say, reached=True))
    done: list[Downloaded] = []
    for index in indices:
        total = None if download.is_cached(index) and not force else download.server.count(index)
        try:
            with voice.counter(index, total, "documents") as counter:
                one = download.run(index, counter.add, force)
        except Interrupted:
            raise Failure(f"stopped while {index} was downloaded; the same command goes on where it was") from None
        voice.say(_line(one))
        done.append(one)
    return done


def _line(one: Downloaded) -> str:
    if one.cached:
        return f"{one.index}: {one.docs:,} documents are here already (--force-download fetches them again)"
    before = f", {one.found:,} of them in an earlier run" if one.found else ""
    how = ", by scrolling: the server knows no points in time" if one.scrolled else ""
    changed = (
        f"; the index is being written to: the server counts {one.counted:,} by now"
        if one.changed
        else ", as the server counts"
    )
    return f"{one.index}: {one.docs:,} documents{before}{how}{changed}"
