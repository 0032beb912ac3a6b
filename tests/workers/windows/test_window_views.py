"""The readable windows: what is published equals pandas on the same rows, and how often it is published."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from tests.workers.windows.pane_events import Event
from tests.workers.windows.pane_records import MINUTE, SECOND, START, live, records_of
from tests.workers.windows.pane_stage import ran, stage_of
from workers.runtime.records import View
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import EnginePolicy
from workers.windows.views import view_key

ENTITIES = ["shop", "prod/cart", "süß %25"]


def requests(n: int = 6000) -> pd.DataFrame:
    random = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "time": START + np.sort(random.integers(0, 40 * MINUTE, n)),
            "entity": random.choice(ENTITIES, n),
            "latency": np.where(random.random(n) < 0.1, np.nan, random.lognormal(3, 1, n)),
            "status": random.choice([200, 404, 500, 503], n, p=[0.9, 0.04, 0.03, 0.03]),
            "level": random.choice(["INFO", "WARN"], n, p=[0.8, 0.2]),
            "path": random.choice(["/", "/cart", "/pay", "/help"], n),
            "weight": random.choice([1.0, 2.0, 10.0], n),
        }
    )


def events_of(rows: pd.DataFrame) -> list[Event]:
    records: list[dict[Any, Any]] = rows.to_dict("records")
    return [
        Event(
            int(row["time"]),
            row["entity"],
            latency=None if math.isnan(row["latency"]) else row["latency"],
            attributes={"status_code": str(row["status"]), "level": row["level"], "path": row["path"]},
            weight=row["weight"],
        )
        for row in records
    ]


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_published_window_is_what_pandas_says_of_its_rows(entity: str) -> None:
    rows = requests()
    views = ran(live(events_of(rows))).views
    _, data, ttl = views[view_key("", "service", 3, entity)]
    value = orjson.loads(data)
    assert (value["entity"], value["profile"], ttl) == (entity, "service", 7200)
    assert list(value["windows"]) == ["pane", "1m", "5m", "30m"]
    mine = rows[rows.entity == entity]
    for window in value["windows"].values():
        start, end = (pd.Timestamp(window[side]).value // 1000 for side in ("start", "end"))
        _compare(window, mine[(mine.time >= start) & (mine.time < end)])
    assert value["window_end"] == value["windows"]["30m"]["end"]


def _compare(window: dict[str, object], rows: pd.DataFrame) -> None:
    timed = rows.dropna(subset="latency")
    expected = {
        "count": rows.weight.sum(),
        "errors": rows.weight[rows.status >= 500].sum(),
        "warnings": rows.weight[rows.level == "WARN"].sum(),
        "latency_count": timed.weight.sum(),
        "latency_sum_ms": (timed.weight * timed.latency).sum(),
        "latency_sum_of_squares_ms2": (timed.weight * timed.latency**2).sum(),
        "latency_min_ms": timed.latency.min(),
        "latency_max_ms": timed.latency.max(),
        "paths": rows.path.nunique(),
    }
    for name, number in expected.items():
        assert window[name] == pytest.approx(number, rel=1e-12), name
    each = np.repeat(timed.latency.to_numpy(), timed.weight.astype(int))
    for q in (50, 95, 99):
        exact = np.quantile(each, q / 100, method="lower")
        assert window[f"latency_p{q}_ms"] == pytest.approx(exact, rel=0.02 + 1e-9)


def test_what_was_not_measured_is_null_and_not_nan() -> None:
    events = [Event(START + at * SECOND, "shop") for at in range(0, 60, 5)]
    _, data, _ = ran(live(events)).views[view_key("", "service", 3, "shop")]
    assert b"NaN" not in data
    window = orjson.loads(data)["windows"]["1m"]
    assert window["latency_p99_ms"] is window["latency_min_ms"] is None
    assert (window["latency_count"], window["latency_sum_ms"]) == (0.0, 0.0)


def test_keys_take_any_entity_and_the_namespace() -> None:
    assert view_key("staging.", "service", 7, "a/b c:ü~") == "staging.faultline:window:service:7:a%2Fb%20c%3A%C3%BC~"


def published(policy: EnginePolicy, entities: int, panes: int) -> list[View]:
    """Every view, of batches of one pane each."""
    stage = stage_of(policy=policy)
    state = stage.start(3, NO_WATERMARK, [])
    views: list[View] = []
    for pane in range(panes):
        events = [Event(START + pane * 10 * SECOND + i * 1000, f"e{i}") for i in range(entities)]
        records = records_of(live(events), first_offset=1 + pane * entities)
        views += [view for chunk in stage.step(state, records) for view in chunk.views]
    return views


def test_an_entity_is_published_as_seldom_as_the_setting_says() -> None:
    every_pane = published(EnginePolicy(), 4, 40)
    every_minute = published(EnginePolicy(view_every=60 * SECOND), 4, 40)
    assert len(every_pane) == 4 * 38
    assert 4 * 6 <= len(every_minute) <= 4 * 7
    assert {view.version for view in every_pane} > {view.version for view in every_minute}


def test_with_very_many_entities_each_takes_its_turn() -> None:
    views = published(EnginePolicy(), 3500, 12)
    per_pane = pd.Series([view.version for view in views]).value_counts()
    assert per_pane.max() <= 1200
    assert len({view.key for view in views}) == 3500


def test_in_a_batch_that_closes_many_panes_few_views_of_an_entity_are_given_and_the_newest_last() -> None:
    stage = stage_of()
    state = stage.start(3, NO_WATERMARK, [])
    story = live([Event(START + at * SECOND, "shop") for at in range(0, 3000, 5)])
    views = [view for chunk in stage.step(state, records_of(story)) for view in chunk.views]
    versions = [view.version for view in views]
    assert versions == sorted(set(versions))
    assert versions[-1] == START + 2980 * SECOND
    assert len(versions) <= 6, "one for each ten minutes, of 60 panes"
