"""Clusters that are away: a mistyped address fails at once, one that has answered is waited for with a word."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from workers.sources.opensearch import server
from workers.sources.opensearch.connection import Address
from workers.sources.opensearch.contact import Contact
from workers.sources.opensearch.server import Server, ServerError
from workers.sources.stopping import Interrupted

NOBODY = "http://127.0.0.1:1"


class Busy(BaseHTTPRequestHandler):
    """Refuses twice, then answers."""

    left = 0

    def do_GET(self) -> None:
        type(self).left -= 1
        body = b'{"version": {"number": "2.19.1", "distribution": "opensearch"}}'
        self.send_response(200 if self.left < 0 else 503)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def busy() -> Iterator[str]:
    Busy.left = 2
    listening = HTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("url", [NOBODY, "http://no-such-host.invalid:9200"])
def test_an_address_at_which_nobody_ever_answered_is_not_waited_for(url: str) -> None:
    said: list[str] = []
    address = Address.parse(url, user="reader", password="open sesame", patience=1e9)
    with pytest.raises(ServerError, match=r"cannot be reached while asking for the version.*Check --es-url"):
        Server(address, contact=Contact(said.append)).version()
    assert len(said) == 1
    assert "sesame" not in said[0]


def test_a_cluster_that_has_answered_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_FIRST_PATIENCE", 0.0)
    said: list[str] = []
    address = Address.parse(NOBODY, patience=1e9)
    with pytest.raises(ServerError):
        Server(address, contact=Contact(said.append)).version()
    assert not said
    with pytest.raises(Interrupted):
        Server(address, lambda: bool(said), Contact(said.append, reached=True)).version()
    (line,) = said
    assert line.startswith(f"{NOBODY} cannot be reached (")
    assert line.endswith("asking again for 1000000000 s")


def test_waiting_is_told_once_and_again_only_after_an_answer(busy: str) -> None:
    said: list[str] = []
    contact = Contact(said.append)
    asked = Server(Address.parse(busy, patience=1e9), contact=contact)
    assert asked.version() == "opensearch 2.19.1"
    assert len(said) == 1
    assert said[0].startswith(f"{busy} is busy (503")
    Busy.left = 1
    asked.version()
    assert len(said) == 2
