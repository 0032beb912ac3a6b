"""What `faultline source host` costs the machine that it watches.

    python -m bench host_agent

Sleeping processes are started until the machine has as many as wished; the agent runs as its own process against a
real broker, and its CPU time is read from outside, from the first sample on. Starting it (loading Python and numpy) is
told apart. No limit is tested here: other load on the machine makes each call dearer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.machine import describe
from tests.support.broker import Broker
from tests.support.installation import FAULTLINE, eventually
from tests.support.services import some_kafka


@contextmanager
def crowd(total: int) -> Iterator[int]:
    """So many processes on the machine; how many there are."""
    sleepers = [subprocess.Popen(["sleep", "86400"]) for _ in range(max(0, total - len(psutil.pids())))]
    try:
        yield len(psutil.pids())
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()


def measure(servers: str, interval: float, minutes: float) -> None:
    """Run the agent for so long, and print what it took."""
    broker = Broker(servers)
    topic = broker.create_topic(broker.unique("host"))
    env = {**os.environ, "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": servers, "FAULTLINE_NAMESPACE": ""}
    argv = [str(FAULTLINE), "source", "host", "--interval", str(interval), "--topic", topic, "--quiet"]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w") as log:
        agent = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
        try:
            eventually(lambda: len(broker.read(topic)) > 1, 120, "the first samples")
            seen = psutil.Process(agent.pid)
            start, began = seen.cpu_times(), time.monotonic()
            time.sleep(minutes * 60)
            end, seconds = seen.cpu_times(), time.monotonic() - began
            used = end.user + end.system - start.user - start.system
            memory = seen.memory_info().rss / (1 << 20)
        finally:
            agent.terminate()
            agent.wait()
    print(
        f"interval {interval:g} s, {len(psutil.pids())} processes, {seconds / 60:.1f} min: "
        f"{used / seconds:.2%} of a core, {1000 * used * interval / seconds:.1f} ms a sample, "
        f"{memory:.0f} MiB resident, {start.user + start.system:.1f} s of CPU to start"
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=3)
    asked.add_argument("--interval", type=float, default=5.0)
    asked.add_argument("--processes", type=int, default=300)
    options = asked.parse_args()
    print(describe())
    with some_kafka() as servers, crowd(options.processes):
        measure(servers, options.interval, options.minutes)


if __name__ == "__main__":
    main()
