"""A cluster that asks to be left alone: for how long, and that a stop ends the waiting."""

from __future__ import annotations

import threading
import time

import pytest

from tests.support.scripted import Reply, Scripted
from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.paging import Order, Pages
from workers.sources.opensearch.server import Server, Shard
from workers.sources.stopping import Interrupted

JSON = {"Content-Type": "application/json"}
LATER = "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize("asked_for", ["300", LATER])
def test_a_stop_is_heard_however_long_the_cluster_asks_to_be_left_alone(asked_for: str) -> None:
    stopped = threading.Event()
    with Scripted(Reply(429, b"{}", {**JSON, "Retry-After": asked_for})) as server:
        server.on_asked = lambda count: stopped.set()
        with pytest.raises(Interrupted):
            Server(Address.parse(server.url, patience=600.0), stopped.is_set).count("x")
        assert len(server.asked) == 1


def test_a_stop_is_heard_while_the_cluster_thinks() -> None:
    """Long before the time-out, though the cluster does not even let the snapshot go."""
    stopped = threading.Event()
    opened = Reply(200, b'{"pit_id": "p"}', JSON)
    with Scripted(opened, Reply(hang=True)) as server:
        server.on_asked = lambda count: stopped.set() if count == 2 else None
        pages = Pages(Server(Address.parse(server.url, timeout=600.0), stopped.is_set), Shard("x", 0), Order())
        began = time.monotonic()
        with pytest.raises(Interrupted):
            next(iter(pages))
        assert time.monotonic() - began < 30
        assert [one.path for one in server.asked[:2]] == ["/x/_search/point_in_time", "/_search"]


def test_what_is_answered_at_once_is_taken_though_a_stop_was_asked_for() -> None:
    with Scripted(Reply(200, b'{"count": 7}', JSON)) as server:
        assert Server(Address.parse(server.url), lambda: True).count("x") == 7


def test_a_time_that_is_over_is_waited_for_no_longer() -> None:
    over = Reply(503, b"{}", {**JSON, "Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"})
    with Scripted(over, Reply(200, b'{"count": 7}', JSON)) as server:
        assert Server(Address.parse(server.url, patience=600.0)).count("x") == 7
