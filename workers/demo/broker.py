"""The embedded Kafka: librdkafka's mock cluster, held by a process of its own.

It keeps everything in memory, at most 5 MB a partition, makes topics when they are first asked for, and forgets all
when it ends. Good for a demo and for nothing else. Prints its address and serves until it is told to stop.
"""

from __future__ import annotations

import signal
import threading

from confluent_kafka import Producer


def main() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 2})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
    while not stop.wait(0.5):
        cluster.poll(0)


if __name__ == "__main__":
    main()
