"""The history's database: how fast the worker's writing takes events, and how fast its questions are answered.

usage: python -m bench.history [--incidents 1000000] [--entities 20000]

Writes incidents of three to six events each as the worker does, into SQLite and, where PostgreSQL's server programs
are installed, into a PostgreSQL of its own; copies them inside the database until there are so many; then asks every
filter of `faultline incidents list`, one by one and combined, each from a connection that has asked nothing before.
Prints medians and the slowest.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, func, insert, literal, select, text, update

from bench import machine
from schemas.ids import stable_id
from tests.support.postgresql import PostgreSQL, programs
from workers.history.database import open_engine
from workers.history.migrating import upgrade
from workers.history.queries import Place, Wanted, events_of, find, page, place_of
from workers.history.rows import Event
from workers.history.schema import incident_events, incidents
from workers.history.writing import write

START = 1_740_787_200_000_000  # 2025-03-01T00:00:00Z
SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000
BATCH = 1_000
WRITTEN = 50_000
"""Incidents that are written event by event; the others are copies of them."""
ROUNDS = 7
SEVERITIES = ("low", "medium", "high", "critical")
PROFILES = ("service", "host", "generic")


def made_up(count: int, entities: int, seed: int = 0) -> Iterator[Event]:
    """The events of so many incidents over a year, in the order of their opening; the last thousand still go on.

    Entities have shares as in the field: a few have most. One entity in 5,000 is called `rare-…`; a profile, `event`,
    and the fingerprint of the first incident are rare, too.
    """
    rng = np.random.default_rng(seed)
    names = [f"{'rare' if n % 5_000 == 7 else ('shop', 'pay', 'ops')[n % 3]}/service-{n:05}" for n in range(entities)]
    whose = np.minimum((entities * rng.power(0.6, count)).astype(int), entities - 1)
    rank = rng.choice(4, count, p=(0.6, 0.27, 0.12, 0.01))
    gaps = 365 * DAY // count
    for number in range(count):
        entity, opened = names[whose[number]], START + number * gaps
        severity = SEVERITIES[rank[number]]
        profile = "event" if number % 100_003 == 5 else PROFILES[whose[number] % 3]
        fingerprint = stable_id(entity, profile, number % 3)
        lasted = int(rng.integers(3, 90)) * MINUTE
        known: dict[str, Any] = {
            "score_id": stable_id("score", number),
            "incident_id": stable_id(fingerprint, opened),
            "fingerprint_id": fingerprint,
            "entity": entity,
            "profile": profile,
            "cause": "deviation",
            "regular": True,
            "severity": severity,
            "first_anomalous_at": opened - 30 * SECOND,
            "opened_at": opened,
            "occurrence_count": 1 + number % 7,
            "rule": {"name": "anomalous windows among the last 5", "have": 3, "need": 3},
            "reason": f"P99 latency of {entity} is 2.3 s, expected 180–420 ms; errors rose with it.",
            "impact": f"Whoever calls {entity} waits five times as long as usual, and one call in nine fails.",
            "recommendation": "Look at what was deployed last, and at what it calls: databases first.",
            "contributions": [
                {"metric": "latency_p99_ms", "feature": "latency_p99_ms", "share": 0.7, "direction": "up"},
                {"metric": "error_rate", "feature": "error_rate_5m", "share": 0.2, "direction": "up"},
            ],
        }
        kinds = ["CREATE", *["CONTINUE"] * (number % 4)]
        kinds += ["RESOLVE", "CLOSED"] if number < count - 1_000 else []
        for sequence, kind in enumerate(kinds):
            ended = kind in ("RESOLVE", "CLOSED")
            at = opened + (lasted if ended else sequence * 5 * MINUTE) + (15 * MINUTE if kind == "CLOSED" else 0)
            yield {
                **known,
                "type": kind,
                "id": stable_id(known["incident_id"], sequence),
                "time": at,
                "sequence": sequence,
                "last_anomalous_at": opened + lasted,
                "resolved_at": opened + lasted if ended else None,
                "closed_at": at if kind == "CLOSED" else None,
                "window_count": 3 + sequence,
            }


def questions(first: dict[str, Any], middle: Place) -> dict[str, tuple[Wanted, Place | None]]:
    """Every filter, narrow and wide, and some together."""
    since = START + 180 * DAY
    asked = {
        "nothing asked": Wanted(),
        "a week of the year": Wanted(since=since, until=since + 7 * DAY),
        "an entity": Wanted(entity=first["entity"]),
        "an entity that is not there": Wanted(entity="nobody"),
        "a third of the entities: pay/*": Wanted(entity="pay/*"),
        "a few entities: rare/*": Wanted(entity="rare/*"),
        "*9999*": Wanted(entity="*9999*"),
        "a profile": Wanted(profile="host"),
        "a rare profile": Wanted(profile="event"),
        "medium and above": Wanted(severity="medium"),
        "critical": Wanted(severity="critical"),
        "open": Wanted(state="open"),
        "closed": Wanted(state="closed"),
        "flapping (none)": Wanted(state="flapping"),
        "a fingerprint": Wanted(fingerprint=first["fingerprint_id"]),
        "a fingerprint's beginning": Wanted(fingerprint=first["fingerprint_id"][:8]),
        "critical, open": Wanted(severity="critical", state="open"),
        "pay/*, high and above, closed, half a year": Wanted(
            since=START, until=since, entity="pay/*", severity="high", state="closed"
        ),
        "host, pay/*: many each, none together": Wanted(entity="shop/*", profile="host", state="closed"),
        "first half year, closed": Wanted(until=since, state="closed"),
    }
    return {name: (wanted, None) for name, wanted in asked.items()} | {
        "the page in the middle": (Wanted(), middle),
        "high and above, from the middle": (Wanted(severity="high"), middle),
    }


def measure(url: str, count: int, entities: int) -> None:
    """Write a part as the worker does, copy it until there are so many incidents, then ask."""
    engine = open_engine(url)
    upgrade(engine, url)
    events = list(made_up(min(count, WRITTEN), entities))
    seconds = sum(_written(engine, events[start : start + BATCH]) for start in range(0, len(events), BATCH))
    rate = f"{len(events) / seconds:,.0f} events/s in batches of {BATCH:,}"
    print(f"  written: {min(count, WRITTEN):,} incidents of {len(events):,} events, {rate}", flush=True)
    _copy(engine, count)
    with engine.begin() as connection:
        first = find(connection, events[0]["incident_id"])[0]
        middle = place_of(page(connection, Wanted(until=START + 180 * DAY), 1)[0])
    engine.dispose()
    found = {name: _asked(url, *question) for name, question in questions(first, middle).items()}
    found["show: one incident and its events"] = _shown(url, first["incident_id"])
    for name, (taken, rows) in found.items():
        print(f"  {1000 * float(np.median(taken)):8.1f} ms, slowest {1000 * max(taken):8.1f} ms  {name} ({rows})")


def _copy(engine: Engine, count: int) -> None:
    """The incidents again and again, each time a little later, until there are `count`; the last thousand are open."""
    postgresql, of = engine.dialect.name == "postgresql", incidents.c
    with engine.begin() as connection:
        if postgresql:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        there = connection.scalar(select(func.count()).select_from(incidents)) or 0
        rounds = -(-count // there)
        step = 365 * DAY // count  # so that copies lie between each other
        for number in range(1, rounds):
            shift = text(f"interval '{number * step} microseconds'") if postgresql else literal(number * step)
            copied: dict[Any, Any] = {c: c.op("+")(shift) if str(c.name).endswith("_at") else c for c in of}
            other = func.md5(of.incident_id + str(number)) if postgresql else func.hex(func.randomblob(16))
            mine = of.incident_id.in_(select(incident_events.c.incident_id))  # copies have no events
            rows = select(*(copied | {of.incident_id: other}).values()).where(mine).limit(count - number * there)
            connection.execute(insert(incidents).from_select(list(copied), rows))
        newest = select(of.incident_id).order_by(of.opened_at.desc()).limit(1_000)
        connection.execute(update(incidents).where(of.incident_id.in_(newest)).values(state="open", closed_at=None))
    if postgresql:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM ANALYZE")


def _written(engine: Any, batch: list[Event]) -> float:
    started = time.perf_counter()
    with engine.begin() as connection:
        write(connection, batch, 3)
    return time.perf_counter() - started


def _asked(url: str, wanted: Wanted, after: Place | None) -> tuple[list[float], int]:
    seconds, rows = [], 0
    for _ in range(ROUNDS):
        engine = open_engine(url, read_only=True)
        with engine.begin() as connection:
            started = time.perf_counter()
            rows = len(page(connection, wanted, 51, after))
            seconds.append(time.perf_counter() - started)
        engine.dispose()
    return seconds, rows


def _shown(url: str, incident: str) -> tuple[list[float], int]:
    seconds, rows = [], 0
    for _ in range(ROUNDS):
        engine = open_engine(url, read_only=True)
        with engine.begin() as connection:
            started = time.perf_counter()
            rows = len(list(events_of(connection, [row["incident_id"] for row in find(connection, incident[:12])])))
            seconds.append(time.perf_counter() - started)
        engine.dispose()
    return seconds, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--incidents", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=20_000)
    args = parser.parse_args()
    print(machine.describe())
    with tempfile.TemporaryDirectory(prefix="faultline-bench-") as folder:
        file = Path(folder) / "history.db"
        print("SQLite", flush=True)
        measure(f"sqlite:///{file}", args.incidents, args.entities)
        print(f"  {file.stat().st_size / (1 << 20):,.0f} MiB")
    if programs() is None:
        print("PostgreSQL: not measured, its server programs are not installed")
        return
    with PostgreSQL() as server:
        print("PostgreSQL", flush=True)
        measure(server.url, args.incidents, args.entities)


if __name__ == "__main__":
    main()
