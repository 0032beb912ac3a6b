"""Whole indices into folders: several parts at once, each from where it stopped the last time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.contact import Contact
from workers.sources.opensearch.paging import Order, Pages, split
from workers.sources.opensearch.raw import PartFile, PartPlan, RawIndex, remove
from workers.sources.opensearch.server import Server, ServerError, Shard
from workers.sources.stopping import Interrupted

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What became of one index. `found`: documents that were there from an earlier run; `scrolled`: the old way."""

    index: str
    docs: int
    counted: int
    found: int = 0
    cached: bool = False
    scrolled: bool = False

    @property
    def changed(self) -> bool:
        """Whether the index was written to meanwhile: the server has more or fewer now than were read."""
        return self.docs != self.counted


class Download:
    """Downloads indices of one cluster. Use from one thread; `slices` others read at the same time."""

    def __init__(
        self,
        address: Address,
        folder: Path,
        slices: int,
        stopped: Callable[[], bool],
        contact: Contact | None = None,
    ) -> None:
        self._contact = contact or Contact()
        self._address, self._folder, self._slices = address, folder, slices
        self._failed = threading.Event()
        self._stopped: Callable[[], bool] = lambda: stopped() or self._failed.is_set()
        self._asked_to_stop = stopped
        self.server = Server(address, self._stopped, self._contact)
        self._writing = threading.Lock()

    def place(self, index: str) -> Path:
        return self._folder / index

    def is_cached(self, index: str) -> bool:
        """Whether an index is here to its end. Raises RawError."""
        raw = RawIndex.load(self.place(index))
        return raw is not None and raw.complete

    def run(self, index: str, told: Told, force: bool = False) -> Downloaded:
        """Download what is not here yet; `told` is called with the number of documents added, from any thread.

        Raises `ServerError`, `RawError`, `Interrupted`; what is there by then stays, and the next run goes on.
        """
        place = self.place(index)
        if force:
            remove(place)
        raw = RawIndex.load(place)
        if raw is not None and raw.complete:
            return Downloaded(index, raw.docs, raw.counted, raw.docs, cached=True)
        shards, uuid = self.server.settings(index)
        if raw is not None and raw.uuid != uuid:  # another index of the same name
            remove(place)
            raw = None
        if raw is None:
            raw = self._plan(index, uuid, shards)
            raw.save(place)
        parts = [PartFile.of(place, plan) for plan in raw.parts]
        found = sum(part.docs for part in parts)
        told(found)
        readers = self._read_all(raw, parts, told)
        raw.docs = sum(part.docs for part in parts)
        raw.counted = self.server.count(index)
        raw.complete = True
        raw.server = self._address.url
        raw.save(place)
        return Downloaded(index, raw.docs, raw.counted, found, scrolled=any(reader.scrolling for reader in readers))

    def _plan(self, index: str, uuid: str, shards: int) -> RawIndex:
        self.server.refresh(index)
        parts = []
        for shard in range(shards):
            orders = split(self.server, Shard(index, shard), -(-self._slices // shards))
            parts += [PartPlan(shard, number, order.first, order.beyond) for number, order in enumerate(orders)]
        return RawIndex(index, uuid, parts)

    def _read_all(self, raw: RawIndex, parts: list[PartFile], told: Told) -> list[Pages]:
        """Read every part that is not done, `slices` at a time; the first failure ends all."""
        readers: list[Pages] = []

        def read(plan: PartPlan, part: PartFile) -> None:
            server = Server(self._address, self._stopped, self._contact)
            order = Order(first=plan.first, beyond=plan.beyond)
            pages = Pages(server, Shard(raw.index, plan.shard), order, part.after)
            try:
                for page in pages:
                    part.append(page)
                    with self._writing:
                        told(len(page))
                    if self._stopped():
                        raise Interrupted
                _check(raw.index, part, pages)
                part.finish()
                with self._writing:
                    readers.append(pages)
            except BaseException:
                self._failed.set()
                raise
            finally:
                server.close()

        open_parts = [(plan, part) for plan, part in zip(raw.parts, parts, strict=True) if not part.done]
        self._failed.clear()
        with ThreadPoolExecutor(self._slices, thread_name_prefix="download") as pool:
            jobs = [pool.submit(read, plan, part) for plan, part in open_parts]
            wait(jobs, return_when=FIRST_EXCEPTION)
        errors = [error for job in jobs if (error := job.exception()) is not None]
        told_first = next((error for error in errors if not isinstance(error, Interrupted)), None)
        if self._asked_to_stop():
            raise Interrupted
        if told_first is not None:
            raise told_first
        return readers


def _check(index: str, part: PartFile, pages: Pages) -> None:
    """Every document of the snapshot is there. More are where documents were written again between two snapshots."""
    if pages.total is not None and part.docs < pages.total:
        raise ServerError(
            f"{index}: the server counts {pages.total:,} documents in a part of it and gave {part.docs:,}. "
            "Download again with --force-download"
        )
