"""Indices as one stream in time order, on a real OpenSearch: from every place in it, exactly the rest."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.support.opensearch_server import OpenSearchAt
from workers.sources.opensearch import paging
from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.paging import Order, Pages
from workers.sources.opensearch.server import Server, ServerError, Shard
from workers.sources.opensearch.timeline import Place, PlaceError, Timeline, micros

pytestmark = pytest.mark.integration

T = 1_700_000_000_000


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "FIRST", 20)
    monkeypatch.setattr(paging, "MOST", 40)


@pytest.fixture(scope="module")
def indices(opensearch: OpenSearchAt) -> list[str]:
    """Times that overlap, many equal ones, and three documents without a time."""
    chance = random.Random(1)
    first = [{"@timestamp": T + chance.randrange(60), "n": n} for n in range(400)]
    second = [{"@timestamp": T + 30 + chance.randrange(60), "n": 1_000 + n} for n in range(300)]
    timeless = [{"n": 2_000 + n} for n in range(3)]
    return [opensearch.index(first + timeless, shards=3), opensearch.index(second, shards=1)]


def _server(opensearch: OpenSearchAt) -> Server:
    return Server(Address.parse(opensearch.url, patience=30.0))


def _all(timeline: Timeline) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Documents, each with the place behind its block."""
    return [(hit["_source"], timeline.place.to_json()) for block in timeline.batches() for hit in block]


def test_documents_of_all_shards_come_once_and_in_time_order_those_without_a_time_last(
    opensearch: OpenSearchAt, indices: list[str]
) -> None:
    found = [document for document, _ in _all(Timeline(_server(opensearch), indices, Place("@timestamp")))]
    assert sorted(document["n"] for document in found) == [*range(400), *range(1_000, 1_300), *range(2_000, 2_003)]
    times = [document["@timestamp"] for document in found[:-3]]
    assert times == sorted(times)
    assert all("@timestamp" not in document for document in found[-3:])


def test_from_the_place_behind_any_block_exactly_the_rest_comes(opensearch: OpenSearchAt, indices: list[str]) -> None:
    whole = _all(Timeline(_server(opensearch), indices, Place("@timestamp")))
    places = {str(place): number for number, (_, place) in enumerate(whole)}
    ends = sorted(places.values())
    assert len(ends) > 10
    for end in ends[:: max(1, len(ends) // 6)]:
        place = Place.from_json(whole[end][1], "@timestamp")
        rest = [document["n"] for document, _ in _all(Timeline(_server(opensearch), indices, place))]
        assert sorted(rest) == sorted(document["n"] for document, _ in whole[end + 1 :])


def test_what_is_added_later_comes_behind_what_was_read(opensearch: OpenSearchAt) -> None:
    index = opensearch.index([{"@timestamp": T + n, "n": n} for n in range(50)])
    timeline = Timeline(_server(opensearch), [index], Place("@timestamp"))
    assert len(_all(timeline)) == 50
    opensearch.add(index, [{"@timestamp": T + 49 + n, "n": 50 + n} for n in range(30)], first=50)
    later = _all(Timeline(_server(opensearch), [index], Place.from_json(timeline.place.to_json(), "@timestamp")))
    assert [document["n"] for document, _ in later] == list(range(50, 80))


def test_a_time_that_is_text_in_one_index_is_said_with_the_index(opensearch: OpenSearchAt, indices: list[str]) -> None:
    index = opensearch.index([{"@timestamp": "soon"}], fields={"@timestamp": "text"})
    with pytest.raises(ServerError, match=f"@timestamp is a text in {index}"):
        Timeline(_server(opensearch), [*indices, index], Place("@timestamp"))


def test_times_may_be_dates_in_one_index_and_numbers_in_another(opensearch: OpenSearchAt) -> None:
    made = [
        opensearch.index([{"at": T + 3 * n + place} for n in range(40)], fields={"at": kind})
        for place, kind in enumerate(("date", "date_nanos", "long"))
    ]
    found = [document["at"] for document, _ in _all(Timeline(_server(opensearch), made, Place("at")))]
    assert found == list(range(T, T + 120))


def test_an_index_made_anew_is_not_mistaken_for_the_old_one(opensearch: OpenSearchAt) -> None:
    index = opensearch.index([{"@timestamp": T}])
    place = Timeline(_server(opensearch), [index], Place("@timestamp")).place
    opensearch.client.indices.delete(index=index)
    opensearch.index([{"@timestamp": T}], name=index)
    with pytest.raises(PlaceError, match="made anew"):
        Timeline(_server(opensearch), [index], place)
    with pytest.raises(PlaceError, match="--time-field"):
        Place.from_json(place.to_json(), "another")


def test_scrolled_in_time_order_what_is_left_behind_a_place_is_the_same(
    opensearch: OpenSearchAt, indices: list[str]
) -> None:
    shard = Shard(indices[1], 0)
    server = _server(opensearch)
    live = [hit for page in Pages(server, shard, Order("@timestamp"), live=True) for hit in page]
    for at in (0, 57, 299):
        pages = Pages(server, shard, Order("@timestamp"), live[at]["sort"])
        pages.scrolling = True
        assert [hit["_id"] for page in pages for hit in page] == [hit["_id"] for hit in live[at + 1 :]]


def test_sort_values_are_times_by_their_size() -> None:
    moment = 1_700_000_000_123_456
    assert micros(moment // 1_000, True) == moment // 1_000 * 1_000
    assert [micros(moment // 10**power, False) for power in (0, 3)] == [moment, moment // 1_000 * 1_000]
    assert micros(moment * 1_000, False) == moment
    assert micros(1_700_000_000, False) == 1_700_000_000_000_000
