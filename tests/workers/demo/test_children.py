"""Child processes: logs, deaths that are noticed, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from workers.demo.children import ChildDied, Children
from workers.demo.embedded import redis_binary, start_kafka, start_redis


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_leaving_ends_every_process(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        processes = [children.start(str(n), _python("import time; time.sleep(60)"), os.environ) for n in range(3)]
        assert all(child.process.poll() is None for child in processes)
    assert all(child.process.returncode == -signal.SIGTERM for child in processes)


def test_one_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    children = Children(tmp_path)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    child = children.start("deaf", _python(code), os.environ, read=True)
    assert child.process.stdout is not None
    child.process.stdout.readline()
    children.stop(patience=0.2)
    assert child.process.returncode == -signal.SIGKILL


def test_a_death_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("worker", _python("print('first'); raise SystemExit('no such topic')"), os.environ)
        child.process.wait(20)
        with pytest.raises(ChildDied, match=r"worker ended with code 1(.|\n)*no such topic"):
            children.check()


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = f"""
        import os, time
        from pathlib import Path
        from workers.demo.children import Children
        child = Children(Path({str(tmp_path)!r})).start("c", ["sleep", "60"], os.environ)
        print(child.process.pid, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(_python(code), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_the_embedded_broker_takes_and_gives_records(tmp_path: Path) -> None:
    from tests.support.broker import Broker, Record

    with Children(tmp_path) as children:
        broker = Broker(start_kafka(children))
        broker.admin.list_topics("t", timeout=10)
        broker.produce("t", [Record(b"one", b"k", partition=0), Record(b"two", b"k", partition=0)])
        assert [record.value for record in broker.read("t")] == [b"one", b"two"]


def test_the_embedded_redis_never_evicts(tmp_path: Path) -> None:
    import redis

    with Children(tmp_path) as children:
        client = redis.Redis.from_url(start_redis(children, tmp_path))
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.close()


def test_there_is_a_redis_binary() -> None:
    assert os.access(redis_binary(), os.X_OK)
