"""The windows in Redis, read as docs/windows.md says, by redis-py and nothing of ours; held against pandas."""

from __future__ import annotations

import json
from urllib.parse import quote

import numpy as np
import orjson
import pandas as pd
import pytest
import redis

from tests.support.broker import Broker, Record
from tests.support.installation import Installation, eventually
from tests.support.redis_server import RedisAt

pytestmark = pytest.mark.integration

START = pd.Timestamp("2026-03-02T09:00:00Z")
ENTITIES = ("checkout", "prod/eu west/payments:v2")


def _requests() -> pd.DataFrame:
    """Half an hour of two services, with errors, in time order."""
    random = np.random.default_rng(11)
    rows = 6_000
    time = START + pd.to_timedelta(np.sort(random.uniform(0, 1_900, rows)), unit="s").floor("ms")
    return pd.DataFrame(
        {
            "time": time,
            "entity": random.choice(ENTITIES, rows),
            "latency_ms": random.lognormal(3, 0.7, rows).round(3),
            "status": random.choice([200, 404, 500], rows, p=[0.9, 0.05, 0.05]),
        }
    )


def _record(row: pd.Series) -> Record:
    event = {
        "timestamp": row.time.isoformat(),
        "entity": row.entity,
        "kind": "api",
        "attributes": {"status_code": str(row.status), "path": "/"},
        "metrics": {"latency_ms": row.latency_ms},
    }
    return Record(orjson.dumps(event), row.entity.encode())


def test_windows_in_redis_equal_pandas_on_the_same_rows(kafka: Broker, redis_server: RedisAt) -> None:
    requests = _requests()
    with Installation(kafka, redis_server) as faultline:
        faultline.kafka.produce(
            faultline.topic("telemetry.events.v1"), (_record(row) for _, row in requests.iterrows())
        )
        faultline.start_all(["windows"])
        reader = redis.Redis.from_url(redis_server.url)

        def window_of(entity: str) -> dict[str, object] | None:
            keys = reader.keys(f"{faultline.namespace}.faultline:window:service:*:{quote(entity, safe='-._~')}")
            data = reader.hget(keys[0], "data") if keys else None
            return json.loads(data) if data else None

        def all_closed() -> bool:
            found = [window_of(entity) for entity in ENTITIES]
            # The last pane stays open (lateness 10 s); everything up to 1,880 s has closed.
            return all(one and pd.Timestamp(str(one["window_end"])) >= START + pd.Timedelta("1880s") for one in found)

        eventually(all_closed, 60, "the windows are in Redis")
        for entity in ENTITIES:
            _compare(window_of(entity), requests[requests.entity == entity])
            key = reader.keys(f"{faultline.namespace}.faultline:window:service:*:{quote(entity, safe='-._~')}")[0]
            assert 0 < reader.ttl(key) <= 7_200
            assert int(reader.hget(key, "version") or 0) > 0


def _compare(found: dict[str, object] | None, requests: pd.DataFrame) -> None:
    assert found is not None
    windows = found["windows"]
    assert isinstance(windows, dict)
    assert list(windows) == ["pane", "1m", "5m", "30m"]
    for window in windows.values():
        start, end = pd.Timestamp(window["start"]), pd.Timestamp(window["end"])
        rows = requests[(requests.time >= start) & (requests.time < end)]
        assert window["count"] == len(rows)
        assert window["errors"] == (rows.status >= 500).sum()
        assert window["latency_sum_ms"] == pytest.approx(rows.latency_ms.sum(), rel=1e-12)
        assert window["latency_min_ms"] == rows.latency_ms.min()
        assert window["latency_max_ms"] == rows.latency_ms.max()
        exact = np.quantile(rows.latency_ms, 0.95, method="lower")
        next_above = np.quantile(rows.latency_ms, 0.95, method="higher")
        assert exact * 0.98 <= window["latency_p95_ms"] <= next_above * 1.02
