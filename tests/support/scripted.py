"""An HTTP server in a thread that gives the answers it was told to, one after the other, and keeps what was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """`hang`: it takes the request and never answers."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False

    @classmethod
    def of(cls, data: object, **more: object) -> Reply:
        """A good answer of Prometheus' HTTP API."""
        return cls(200, json.dumps({"status": "success", "data": data, **more}).encode())

    @classmethod
    def vector(cls, *values: float) -> Reply:
        result = [{"metric": {"job": f"s{n}"}, "value": [60, str(value)]} for n, value in enumerate(values)]
        return cls.of({"resultType": "vector", "result": result})


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that break off, as those do that do not trust it."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Scripted:
    """The last reply is given again and again. `on_asked` hears of each request, with its number from 1 on.

    With `tls` it speaks HTTPS, and shows what that holds.
    """

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.replies = list(replies)
        self.asked: list[Asked] = []
        self.on_asked: Callable[[int], object] = lambda count: None
        self._ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server._answer(self)

            def do_GET(self) -> None:
                server._answer(self)

            def do_DELETE(self) -> None:
                server._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        body = content.decode(errors="replace")  # packed, maybe
        form = {name: values[0] for name, values in parse_qs(body or parts.query).items()}
        self.asked.append(Asked(parts.path, form, dict(handler.headers)))
        self.on_asked(len(self.asked))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.hang:
            self._ended.wait(60)
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
