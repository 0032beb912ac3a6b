"""An HTTP receiver in a thread: keeps what it takes, and answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Received:
    """One request that was answered with 200. `at`: monotonic seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """`answer`: the status it gives; `None`: it takes the request and never answers. `headers` go with every answer.

    `most`: how many it takes with 200; to all others it says 503.
    """

    def __init__(self) -> None:
        self.answer: int | None = 200
        self.headers: dict[str, str] = {}
        self.most: int | None = None
        self.received: list[Received] = []
        self.asked = 0
        self._ended = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.asked += 1
        answer = self.answer
        if answer is None:
            self._ended.wait(60)
            return
        if answer == 200 and self.most is not None and len(self.received) >= self.most:
            answer = 503
        if answer == 200:
            self.received.append(Received(handler.path, dict(handler.headers), body, time.monotonic()))
        handler.send_response(answer)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    @property
    def bodies(self) -> list[Any]:
        return [one.json for one in list(self.received)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
