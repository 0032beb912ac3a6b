"""`faultline source victoriametrics` where the server says: not now."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.support.cli import running
from tests.support.scripted import Reply, Scripted

PATIENCE = 240
"""Seconds until a command has loaded what it needs, on a machine that many share."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("asked", [1, 2])
def test_a_server_that_asks_to_be_left_alone_for_long_does_not_keep_a_stop_from_being_heard(
    asked: int, tmp_path: Path
) -> None:
    later = Reply(429, headers={"Retry-After": "300"})
    version = Reply.of({"version": "3.0.0"})
    out = tmp_path / "out.parquet"
    heard = threading.Event()
    with Scripted(*[version, later][2 - asked :]) as server:
        server.on_asked = lambda count: heard.set() if count == asked else None
        env = {"VM_ENDPOINT": server.url, "FAULTLINE_VICTORIAMETRICS__QUERIES": "http"}
        with running("source", "victoriametrics", "--since", "1h", "--save-data", str(out), env=env) as process:
            assert heard.wait(PATIENCE)
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said
    assert "stopped" in said.splitlines()[-1]
    assert not list(tmp_path.iterdir())
