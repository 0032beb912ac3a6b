"""Downloads from a real OpenSearch: every document once, whatever goes wrong on the way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_proxy import Answer, HttpProxy
from tests.support.opensearch_server import OpenSearchAt
from workers.sources.opensearch import paging
from workers.sources.opensearch.connection import Address, AddressError
from workers.sources.opensearch.download import Download
from workers.sources.opensearch.listing import ChoiceError, choose, listing
from workers.sources.opensearch.paging import Order, Pages
from workers.sources.opensearch.raw import RawError, documents
from workers.sources.opensearch.server import Server, ServerError, Shard
from workers.sources.stopping import Interrupted

pytestmark = pytest.mark.integration

DOCS = 1_500


def _documents(count: int = DOCS) -> list[dict[str, Any]]:
    return [{"@timestamp": 1_700_000_000_000 + i // 4, "service": f"s{i % 3}", "latency_ms": i} for i in range(count)]


@pytest.fixture(scope="module")
def index(opensearch: OpenSearchAt) -> str:
    return opensearch.index(_documents(), shards=2)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there are many."""
    monkeypatch.setattr(paging, "FIRST", 50)
    monkeypatch.setattr(paging, "MOST", 100)


def _address(url: str, patience: float = 30.0) -> Address:
    return Address.parse(url, user="reader", password="open sesame", patience=patience)


def _download(url: str, folder: Path, slices: int = 4, patience: float = 30.0) -> Download:
    return Download(_address(url, patience), folder, slices, lambda: False)


def _ids(folder: Path, index: str) -> Counter[str]:
    return Counter(document["_id"] for document in documents(folder / index))


def _each_once(count: int = DOCS) -> Counter[str]:
    return Counter(f"d{number}" for number in range(count))


@pytest.mark.parametrize("slices", [1, 5])
def test_every_document_is_there_once_as_many_as_the_server_counts(
    opensearch: OpenSearchAt, index: str, tmp_path: Path, slices: int
) -> None:
    told: list[int] = []
    done = _download(opensearch.url, tmp_path, slices).run(index, told.append)
    assert (done.docs, done.counted, done.cached, done.changed) == (DOCS, DOCS, False, False)
    assert sum(told) == DOCS
    assert _ids(tmp_path, index) == _each_once()
    found = {document["_id"]: document["_source"] for document in documents(tmp_path / index)}
    assert [found[f"d{number}"] for number in range(DOCS)] == _documents()


def test_what_is_there_is_not_asked_for_again_unless_forced(
    opensearch: OpenSearchAt, index: str, tmp_path: Path
) -> None:
    with HttpProxy(opensearch.url) as proxy:
        _download(proxy.url, tmp_path).run(index, lambda _: None)
        before = len(proxy.seen)
        again = _download(proxy.url, tmp_path).run(index, lambda _: None)
        assert again.cached
        assert len(proxy.seen) == before
        assert not _download(proxy.url, tmp_path).run(index, lambda _: None, force=True).cached
        assert len(proxy.seen) > before
    assert _ids(tmp_path, index) == _each_once()


def test_a_download_that_was_stopped_goes_on_where_it_was(opensearch: OpenSearchAt, index: str, tmp_path: Path) -> None:
    pages: list[int] = []
    for most in (1, 4, 7):
        pages.clear()
        stopping = Download(_address(opensearch.url), tmp_path, 2, lambda most=most: len(pages) >= most)  # type: ignore[misc]
        with pytest.raises(Interrupted):
            stopping.run(index, lambda count: pages.append(count))
    for path in (tmp_path / index).glob("*.ndjson.gz"):
        with path.open("ab") as file:  # what was being written when the plug was pulled
            file.write(b"\x1f\x8b half a member")
    with pytest.raises(RawError, match="not downloaded to its end"):
        list(documents(tmp_path / index))
    done = _download(opensearch.url, tmp_path).run(index, lambda _: None)
    assert 0 < done.found < DOCS
    assert _ids(tmp_path, index) == _each_once()


def test_a_server_without_points_in_time_is_scrolled_and_a_lost_scroll_is_opened_anew(
    opensearch: OpenSearchAt, index: str, tmp_path: Path
) -> None:
    scrolled: list[str] = []

    def fault(method: str, path: str) -> Answer | None:
        if "point_in_time" in path:
            return Answer(405, b'{"error": "Incorrect HTTP method for uri, allowed: [PUT]"}')
        if method == "POST" and path.startswith("/_search/scroll"):
            scrolled.append(path)
            if len(scrolled) == 3:
                return Answer(404, b'{"error": {"type": "search_context_missing_exception"}}')
            if len(scrolled) == 5:
                return Answer(0)  # the page was made, and lost on the way
        return None

    with HttpProxy(opensearch.url) as proxy:
        proxy.fault = fault
        done = _download(proxy.url, tmp_path, slices=2).run(index, lambda _: None)
    assert done.scrolled
    assert len(scrolled) > 5
    assert _ids(tmp_path, index) == _each_once()


def test_an_expired_point_in_time_is_opened_anew_behind_the_last_document(opensearch: OpenSearchAt, index: str) -> None:
    server = Server(_address(opensearch.url))
    found: list[str] = []
    for shard in (0, 1):
        for number, page in enumerate(Pages(server, Shard(index, shard), Order())):
            found += [hit["_id"] for hit in page]
            if number % 2:
                opensearch.client.delete_all_pits()
    assert Counter(found) == _each_once()


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(opensearch: OpenSearchAt, index: str) -> None:
    refused: list[float] = []

    def fault(method: str, path: str) -> Answer | None:
        if path.endswith("/_count") and len(refused) < 2:
            refused.append(time.monotonic())
            return Answer(429, b'{"error": {"type": "rejected_execution_exception"}}', {"Retry-After": "1"})
        return None

    with HttpProxy(opensearch.url) as proxy:
        proxy.fault = fault
        assert Server(_address(proxy.url)).count(index) == DOCS
    assert refused[1] - refused[0] >= 1.0


def test_a_server_that_goes_away_is_waited_for_and_what_was_read_stays(
    opensearch: OpenSearchAt, index: str, tmp_path: Path
) -> None:
    away = threading.Event()
    passed: list[str] = []

    def fault(method: str, path: str) -> Answer | None:
        if path.startswith("/_search?"):
            passed.append(path)
        return Answer(0) if away.is_set() or len(passed) > 6 else None

    with HttpProxy(opensearch.url) as proxy:
        proxy.fault = fault
        with pytest.raises(ServerError, match="cannot be reached while reading") as error:
            _download(proxy.url, tmp_path, patience=0.5).run(index, lambda _: None)
        assert "sesame" not in str(error.value)
        proxy.fault = lambda method, path: None
        done = _download(proxy.url, tmp_path).run(index, lambda _: None)
    assert done.found > 0
    assert _ids(tmp_path, index) == _each_once()


def test_too_much_at_once_is_asked_for_in_smaller_pages(opensearch: OpenSearchAt, index: str) -> None:
    with HttpProxy(opensearch.url) as proxy:
        asked: list[str] = []

        def fault(method: str, path: str) -> Answer | None:
            if path.startswith("/_search?"):
                asked.append(path)
                if len(asked) in (1, 2):
                    return Answer(429, b'{"error": {"type": "circuit_breaking_exception", "reason": "too large"}}')
            return None

        proxy.fault = fault
        server = Server(_address(proxy.url, patience=5))
        pages = list(Pages(server, Shard(index, 0), Order()))
        pages += list(Pages(server, Shard(index, 1), Order()))
    assert len(pages[0]) < 50
    assert Counter(hit["_id"] for page in pages for hit in page) == _each_once()


def test_documents_of_ten_megabytes_are_read_a_few_at_a_time(opensearch: OpenSearchAt, tmp_path: Path) -> None:
    large = {"@timestamp": 1, "service": "s", "message": "x" * (10 << 20)}
    index = "large-documents"
    settings = {"number_of_replicas": 0}
    opensearch.client.indices.create(index=index, body={"mappings": {"dynamic": False}, "settings": settings})
    for number in range(3):
        opensearch.client.index(index=index, id=f"d{number}", body=large, refresh=True, request_timeout=60)
    done = _download(opensearch.url, tmp_path, slices=2).run(index, lambda _: None)
    assert done.docs == done.counted == 3
    assert {len(document["_source"]["message"]) for document in documents(tmp_path / index)} == {10 << 20}


def test_an_index_made_anew_is_downloaded_anew(opensearch: OpenSearchAt, tmp_path: Path) -> None:
    index = opensearch.index(_documents(200))
    pages: list[int] = []
    with pytest.raises(Interrupted):
        Download(_address(opensearch.url), tmp_path, 1, lambda: bool(pages)).run(index, pages.append)
    opensearch.client.indices.delete(index=index)
    opensearch.index(_documents(130), name=index)
    done = _download(opensearch.url, tmp_path).run(index, lambda _: None)
    assert (done.docs, done.found) == (130, 0)
    assert _ids(tmp_path, index) == _each_once(130)


def test_indices_are_chosen_by_name_pattern_alias_and_number(opensearch: OpenSearchAt) -> None:
    first = opensearch.index(_documents(3), name="choose-b")
    second = opensearch.index(_documents(2), name="choose-a")
    opensearch.client.indices.put_alias(index=second, name="chosen")
    server = Server(_address(opensearch.url))
    assert server.version().startswith("opensearch 2.")
    known = listing(server)
    by_name = {one.name: one for one in known}
    assert [one.serial for one in known] == list(range(1, len(known) + 1))
    assert (by_name[first].docs, by_name[second].docs) == (3, 2)
    number = str(by_name[second].serial)
    assert choose(server, known, ["choose-*"]) == [second, first]
    assert choose(server, known, [first, "choose-*"]) == [first, second]
    assert choose(server, known, ["chosen"]) == [second]
    assert choose(server, known, [number]) == [second]
    assert choose(server, known, [], [f"{number}-{int(number) + 1}"]) == [second, first]
    for names, serials in ((["nothing"], []), (["nothing-*"], []), ([], ["999"]), ([], ["x"])):
        with pytest.raises(ChoiceError):
            choose(server, known, names, serials)


def test_an_address_never_shows_its_secrets() -> None:
    address = Address.parse("https://reader:open%20sesame@search.example:9200/logs/")
    assert (address.url, address.user, address.password) == (
        "https://search.example:9200/logs",
        "reader",
        "open sesame",
    )
    assert "sesame" not in repr(address)
    for wrong in ("ftp://search", "https://", "https://search:port"):
        with pytest.raises(AddressError):
            Address.parse(wrong)
