"""Debian's Prometheus, which scrapes a page of ours and sends what it read on by remote write."""

from __future__ import annotations

import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.support.process import Daemon, Missing, free_port

_CONFIG = """global:
  scrape_interval: 1s
  scrape_timeout: 1s
  external_labels: {{cluster: golden}}
scrape_configs:
  - job_name: shop
    static_configs:
      - targets: ["127.0.0.1:{page}"]
        labels: {{instance: "web-1:9100"}}
remote_write:
  - url: {url}
    send_exemplars: true
    send_native_histograms: true
    queue_config: {{batch_send_deadline: 1s, max_shards: 1}}
    metadata_config: {{send: true, send_interval: 1s}}
"""


def binary() -> str:
    """The `prometheus` on the path, or `Missing`."""
    found = shutil.which("prometheus")
    if found:
        return found
    raise Missing("no Prometheus on the path. Install: apt-get install -y --no-install-recommends prometheus")


class Page:
    """An exporter that has one page to show, `body`, in a content type."""

    def __init__(self, body: bytes, content_type: str = "text/plain; version=0.0.4") -> None:
        self.body, self.scrapes = body, 0
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.scrapes += 1
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Prometheus:
    """One of its own: scrapes the page on port `page` every second as `web-1:9100`, and writes to `url`."""

    def __init__(self, page: int, url: str) -> None:
        self._binary, self._page, self._url = binary(), page, url
        self.home = Path(tempfile.mkdtemp(prefix="faultline-prometheus-"))
        self._daemon: Daemon | None = None

    def __enter__(self) -> Self:
        config = self.home / "prometheus.yml"
        config.write_text(_CONFIG.format(page=self._page, url=self._url))
        argv = [
            self._binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.home / 'data'}",
            f"--web.listen-address=127.0.0.1:{free_port()}",
            "--enable-feature=exemplar-storage,native-histograms",
        ]
        self._daemon = Daemon(argv, self.home / "server.log")
        return self

    def tail(self) -> str:
        return self._daemon.tail() if self._daemon is not None else ""

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()
        shutil.rmtree(self.home, ignore_errors=True)
