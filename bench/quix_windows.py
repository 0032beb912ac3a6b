"""The peer: Quix Streams with the same 10-second windows. Runs in its own virtual environment, imports nothing of ours.

usage: quix_windows.py BOOTSTRAP TOPIC GUARANTEE COUNT STATE_DIR
"""

import json
import sys
import time
from datetime import timedelta

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Mean, Min, Sum

bootstrap, topic, guarantee, count, state = sys.argv[1:]
app = Application(
    broker_address=bootstrap,
    consumer_group=f"quix-{time.time_ns()}",
    auto_offset_reset="earliest",
    processing_guarantee=guarantee,
    commit_interval=5.0,
    commit_every=0,
    state_dir=state,
    consumer_extra_config={"fetch.queue.backoff.ms": 5, "queued.min.messages": 50_000},
    producer_extra_config={"linger.ms": 5, "compression.type": "lz4"},
    loglevel="ERROR",
)
events = app.topic(topic, value_deserializer="json", timestamp_extractor=lambda value, *_: value["timestamp"])
first = last = 0.0
seen = 0


def counted(value: object) -> None:
    """Time from the first record to the last, so that neither start-up nor waiting for more is counted."""
    global first, last, seen
    last = time.perf_counter()
    first = first or last
    seen += 1


(
    app.dataframe(events)
    .update(counted)
    .apply(lambda value: value["latency_ms"])
    .tumbling_window(timedelta(seconds=10), grace_ms=timedelta(seconds=10))
    .agg(count=Count(), sum=Sum(), mean=Mean(), low=Min(), high=Max())
    .final()
    .to_topic(app.topic(f"{topic}-out", value_serializer="json"))
)
app.run(count=int(count), timeout=10.0)
print(json.dumps({"events": seen, "seconds": last - first}))
