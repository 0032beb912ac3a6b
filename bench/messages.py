"""Log messages by kind: mining, matching beside drain3's own `match`, and the windows stage's step with the profile.

usage: python -m bench.messages [--lines 200000] [--entities 500]

Every line is another text: numbers, addresses and names differ. The peer has mined the same lines, with the same
masking done before; `match` is what it offers for messages that are not to be learned from.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from bench import machine
from models.logs.masking import mask
from models.logs.matching import Matcher
from models.logs.mining import Miner
from models.logs.templates import Templates
from schemas.columns import Events
from schemas.events import encode_events, events_from_dicts
from workers.runtime.records import Records
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import EnginePolicy
from workers.windows.profiles import shipped
from workers.windows.stage import WindowsStage
from workers.windows.watermark import TimePolicy

START = 1_772_409_600_000_000
BATCH = 10_000

_VERBS = ("opened", "closed", "refused", "accepted", "retried", "dropped", "moved", "lost", "found", "built")
_SHAPES = (
    "connection to {ip} {verb} after {n} ms",
    "user {name} {verb} session {n} from {ip}",
    "GET /api/v1/items/{n}/{verb} {n} {n}us",
    "job {n} of queue {name} {verb}: took {n} ms, {n} rows",
)
_NAMES = ("alice", "bob", "carol", "dave", "eve", "frank", "grace", "heidi")


def made_up(lines: int, seed: int = 0) -> list[str]:
    """That many lines."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 1_000_000, (lines, 5)).tolist()
    picks = rng.integers(0, 40, lines).tolist()
    told = []
    for (a, b, c, d, e), kind in zip(numbers, picks, strict=True):
        text = _SHAPES[kind % 4].replace("{verb}", _VERBS[kind // 4]).replace("{name}", _NAMES[a % 8])
        text = text.replace("{ip}", f"10.{b % 256}.{c % 256}.{d % 256}:{e % 65536}")
        for number in (a, b, c):
            text = text.replace("{n}", str(number), 1)
        told.append(text)
    return told


def main() -> None:
    """Print rates a second, one core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=500)
    arguments = parser.parse_args()
    print(machine.describe())
    texts = made_up(arguments.lines)
    mask(texts[:10])
    miner = Miner()
    mining = _rate(lambda: miner.take(texts), len(texts))
    templates = miner.freeze()
    matcher = Matcher(templates)
    matching = _rate(lambda: matcher.kinds(texts), len(texts))
    peer = _peer(texts)
    print(f"{len(texts):,} lines of {len(templates.templates)} kinds")
    print(f"masking {_rate(lambda: mask(texts), len(texts)):,.0f} lines/s")
    print(f"mining {mining:,.0f} lines/s")
    print(f"matching {matching:,.0f} lines/s, drain3 {peer:,.0f}: {matching / peer:.1f} times")
    for profiles in (("service",), ("logs",), ("logs", "service")):
        print(
            f"windows step, {' and '.join(profiles)}: {_stage(texts, templates, profiles, arguments.entities):,.0f}/s"
        )


def _rate(work: Callable[[], object], lines: int) -> float:
    began = time.perf_counter()
    work()
    return lines / (time.perf_counter() - began)


def _peer(texts: list[str]) -> float:
    from models.logs.drain import MaskedDrain

    drain = MaskedDrain(sim_th=0.7)
    masked = [one.decode() for one in mask(texts)]
    for one in dict.fromkeys(masked):
        drain.add_log_message(one)
    return _rate(lambda: [drain.match(one) for one in masked], len(masked))


def _stage(texts: list[str], templates: Templates, profiles: tuple[str, ...], entities: int) -> float:
    """Events a second from Avro records to vectors."""
    chosen = tuple(shipped()[name] for name in profiles)
    stage = WindowsStage(chosen, EnginePolicy(), TimePolicy(), "features", templates=templates)
    batches = [_records(texts[at : at + BATCH], at, entities) for at in range(0, len(texts), BATCH)]
    for warm in (True, False):
        state = stage.start(0, NO_WATERMARK, [])
        began = time.perf_counter()
        for records in batches[:2] if warm else batches:
            for _ in stage.step(state, records):
                pass
        seconds = time.perf_counter() - began
    return len(texts) / seconds


def _records(texts: list[str], first: int, entities: int) -> Records:
    """100,000 lines are a second."""
    events = _events(texts, first, entities)
    values: list[bytes | None] = [*encode_events(events)]
    keys: list[bytes | None] = [events.entity.values[code].encode() for code in events.entity.codes.tolist()]
    offsets = np.arange(first, first + len(texts), dtype=np.int64)
    return Records("events", 0, offsets, events.time + 1_000_000, keys, values, [None] * len(texts))


def _events(texts: list[str], first: int, entities: int) -> Events:
    return events_from_dicts(
        [
            {
                "timestamp": START + 10 * (first + i),
                "entity": f"service-{(first + i) % entities}",
                "kind": "log",
                "attributes": {"level": "INFO", "message": text},
            }
            for i, text in enumerate(texts)
        ]
    )


if __name__ == "__main__":
    main()
