"""The socket of `faultline feedback listen`: bounded requests in, JSON out, one thread a request."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from workers.cli.listening import LARGEST, Answer, Listener, Request

_PATIENCE = 10.0
"""Seconds that a connection may be silent."""

_AT_A_TIME = 16


class FeedbackServer(ThreadingHTTPServer):
    """Listens until `shutdown`. Port 0 takes a free one: see `server_port`."""

    daemon_threads = True

    def __init__(self, host: str, port: int, listener: Listener) -> None:
        self.listener = listener
        self.places = threading.BoundedSemaphore(_AT_A_TIME)
        super().__init__((host, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: FeedbackServer
    timeout = _PATIENCE
    server_version = "faultline"
    sys_version = ""

    def do_POST(self) -> None:
        if not self.server.places.acquire(timeout=_PATIENCE):
            self._send(Answer(503, {"error": "too many requests at a time"}))
            return
        try:
            self._send(self._answer())
        finally:
            self.server.places.release()

    def do_GET(self) -> None:
        self._send(Answer(405, {"error": "only POST"}))

    def _answer(self) -> Answer:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            return Answer(411, {"error": "the header Content-Length is missing"})
        if int(length) > LARGEST:
            return Answer(413, {"error": f"the body is larger than {LARGEST:,} bytes"})
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(length))
        return self.server.listener.answer(Request("POST", self.path.partition("?")[0], headers, body))

    def _send(self, answer: Answer) -> None:
        body = orjson.dumps(answer.document) + b"\n"
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was said is on the control topic, with its author."""
