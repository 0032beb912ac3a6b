"""One shard read page by page in a fixed order, from any place in it, over a point in time or a scroll.

Every order ends with `_seq_no`, which numbers the documents of a shard: no two have the same one, and a document keeps
its own until it is written again. So the place behind a document is exact, also in a later snapshot: when a scroll or a
point in time has expired, another is opened and reading goes on behind the last document. What is written meanwhile
comes later in the order and is not missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workers.sources.opensearch.connection import dump
from workers.sources.opensearch.server import ExpiredError, Server, ServerError, Shard, TooLargeError, UnsupportedError

PAGE_BYTES = 4 << 20
"""What a page should hold: long enough to be worth a request, and small enough to be held many times."""

MOST, FIRST = 5_000, 200
"""Documents of a page, at most and of the first one, before anything is known of their size."""

KEEP = "5m"
_REOPENED = 20  # times in a row without a page in between
_SAMPLE = 20  # documents of a page that are measured

SEQUENCE = "_seq_no"
Hit = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """Which documents of a shard, in which order. `time` names the field to sort by, empty: by number alone.

    `first` and `beyond` bound the numbers: first ≤ number < beyond (None: no bound). With `timeless` only documents
    without the field are meant, by number.
    """

    time: str = ""
    is_date: bool = True
    timeless: bool = False
    first: int | None = None
    beyond: int | None = None

    @property
    def sort(self) -> list[dict[str, Any]]:
        number = {SEQUENCE: {"order": "asc"}}
        if not self.time or self.timeless:
            return [number]
        kind = {"numeric_type": "date"} if self.is_date else {}
        return [{self.time: {"order": "asc", **kind}}, number]

    def query(self, after: Sequence[Any] | None = None) -> dict[str, Any]:
        """The documents meant; with `after`, those behind a place."""
        must: list[dict[str, Any]] = []
        bounds = {name: bound for name, bound in (("gte", self.first), ("lt", self.beyond)) if bound is not None}
        if bounds:
            must.append({"range": {SEQUENCE: bounds}})
        must_not = [{"exists": {"field": self.time}}] if self.timeless else []
        if self.time and not self.timeless:
            must.append({"exists": {"field": self.time}})
        if after is not None:
            must.append(self._behind(after))
        if not must and not must_not:
            return {"match_all": {}}
        return {"bool": {"filter": must, "must_not": must_not}}

    def _behind(self, after: Sequence[Any]) -> dict[str, Any]:
        higher = {"range": {SEQUENCE: {"gt": after[-1]}}}
        if len(after) == 1:
            return higher
        form = {"format": "epoch_millis"} if self.is_date else {}
        same = {"range": {self.time: {"gte": after[0], "lt": after[0] + 1, **form}}}
        later = {"range": {self.time: {"gte": after[0] + 1, **form}}}
        return {"bool": {"should": [later, {"bool": {"filter": [same, higher]}}], "minimum_should_match": 1}}


class Pages:
    """Pages of hits in the order, behind `after`. `total`: how many documents are meant in the snapshot opened last.

    With `live` there is no snapshot: each page is a search of its own, and nothing on the server can expire.
    Iterating raises `ServerError`. `scrolling` is true once the server turned out to know no points in time.
    """

    def __init__(
        self,
        server: Server,
        shard: Shard,
        order: Order,
        after: Sequence[Any] | None = None,
        live: bool = False,
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self.shard = shard
        self.after = list(after) if after is not None else None
        self.total: int | None = None
        self.scrolling = False
        self._server, self._order = server, order
        self._live, self._page_bytes, self._size = live, page_bytes, FIRST

    def __iter__(self) -> Iterator[list[Hit]]:
        reopened = 0
        while True:
            try:
                for page in self._mode():
                    reopened = 0
                    self.after = page[-1]["sort"]
                    yield page
                return
            except ExpiredError as error:
                reopened += 1
                if reopened >= _REOPENED:
                    raise ServerError(f"reading {self.shard.index} fails again and again: {error}") from error
            except TooLargeError:
                if self._size == 1:
                    raise
                self._size = max(1, self._size // 4)

    def _mode(self) -> Iterator[list[Hit]]:
        if self._live:
            return self._searches()
        return self._scroll() if self.scrolling else self._points()

    def _searches(self) -> Iterator[list[Hit]]:
        while page := self._page(self._server.search(self.shard, {**self._body(None), **self._behind()})):
            yield page

    def _behind(self) -> dict[str, Any]:
        return {"search_after": self.after} if self.after is not None else {}

    def _points(self) -> Iterator[list[Hit]]:
        try:
            point = self._server.open_point(self.shard, KEEP)
        except UnsupportedError:
            self.scrolling = True
            yield from self._scroll()
            return
        try:
            counted = False
            while True:
                body = {
                    **self._body(None),
                    "pit": {"id": point, "keep_alive": KEEP},
                    "track_total_hits": not counted,
                    **self._behind(),
                }
                answer = self._server.search_point(body)
                point = str(answer.get("pit_id", point))
                if not counted:
                    self.total, counted = _total(answer), True
                page = self._page(answer)
                if not page:
                    return
                yield page
        finally:
            self._server.close_point(point)

    def _scroll(self) -> Iterator[list[Hit]]:
        counting = {"size": 0, "query": self._order.query(), "track_total_hits": True}
        self.total = _total(self._server.search(self.shard, counting))
        while True:
            size = self._size  # fixed for the life of a scroll
            answer = self._server.open_scroll(self.shard, self._body(self.after), KEEP)
            scroll = str(answer.get("_scroll_id", ""))
            try:
                while True:
                    page = self._page(answer)
                    if not page:
                        return
                    yield page
                    if self._size != size:
                        break
                    answer = self._server.scroll(scroll, KEEP)
                    scroll = str(answer.get("_scroll_id", scroll))
            finally:
                self._server.close_scroll(scroll)

    def _body(self, after: Sequence[Any] | None) -> dict[str, Any]:
        return {"size": self._size, "query": self._order.query(after), "sort": self._order.sort}

    def _page(self, answer: Mapping[str, Any]) -> list[Hit]:
        hits: list[Hit] = answer["hits"]["hits"]
        if hits:
            sample = [len(dump(hit.get("_source"))) for hit in hits[:: max(1, len(hits) // _SAMPLE)]]
            wanted = max(1, min(MOST, self._page_bytes * len(sample) // max(sum(sample), 1)))
            if wanted < self._size or wanted >= 2 * self._size:
                self._size = min(wanted, 8 * self._size)
        return hits


def _total(answer: Mapping[str, Any]) -> int:
    """Hits as a number: an object from version 7 on."""
    total = answer["hits"]["total"]
    return int(total["value"] if isinstance(total, dict) else total)


def split(server: Server, shard: Shard, parts: int) -> list[Order]:
    """A shard's documents as ranges of their numbers, about equally many each; the last one is open."""
    newest = server.search(shard, {"size": 1, "sort": [{SEQUENCE: {"order": "desc"}}], "_source": False})
    hits = newest["hits"]["hits"]
    last = int(hits[0]["sort"][0]) if hits else 0
    parts = max(1, min(parts, last + 1))
    edges = [last * part // parts for part in range(parts)]
    whole = [Order(first=first, beyond=beyond) for first, beyond in pairwise(edges)]
    return [*whole, Order(first=edges[-1] or None)] if parts > 1 else [Order()]
