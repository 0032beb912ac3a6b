"""An HTTP proxy before a real server: passes requests on, except those that a test wants to go wrong."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered instead of the server; status 0: the connection is cut."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)


Fault = Callable[[str, str], Answer | None]
"""By method and path, what goes wrong; None lets the request pass. Called from many threads."""


class HttpProxy:
    """At `url` while the block lasts; `fault` may be changed at any time."""

    def __init__(self, target: str) -> None:
        self.fault: Fault = lambda method, path: None
        self.seen: list[tuple[str, str]] = []
        parts = urlsplit(target)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.seen.append((self.command, self.path))
                answer = proxy.fault(self.command, self.path)
                if answer is not None:
                    self._answer(answer.status, answer.body, {"Content-Type": "application/json", **answer.headers})
                    return
                connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                content = response.read()
                kept = ("content-type", "content-encoding")
                self._answer(response.status, content, {n: v for n, v in response.getheaders() if n.lower() in kept})
                connection.close()

            def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                if status == 0:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    with suppress(OSError):  # who asked may have been killed meanwhile
                        self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
