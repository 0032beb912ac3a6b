"""The physical limit on one core: `consume(10000)` of the same topic and nothing else.

usage: consume_alone.py BOOTSTRAP TOPIC COUNT
"""

import json
import sys
import time

from confluent_kafka import Consumer

bootstrap, topic, count = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": f"limit-{time.time_ns()}",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.queue.backoff.ms": 5,
        "queued.min.messages": 50_000,
    }
)
consumer.subscribe([topic])
wanted, seen, first = int(count), 0, 0.0
while seen < wanted:
    messages = consumer.consume(10_000, 0.2)
    if messages and not first:
        first = time.perf_counter()
        wanted -= len(messages)
        continue
    seen += len(messages)
print(json.dumps({"events": seen, "seconds": time.perf_counter() - first}))
consumer.close()
