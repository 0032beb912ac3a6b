"""Native histograms made at random with protobuf classes, and their buckets as Prometheus specifies them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.support.prometheus_proto import Histogram

NOON_MS = 1_772_366_400_000
CUSTOM, GAUGE = -53, 3

Bucket = tuple[float, float, float]
"""Lower bound, upper bound, observations."""


def histogram(**fields: Any) -> Any:
    return Histogram(timestamp=NOON_MS, **fields)


def put_buckets(one: Any, side: str, buckets: Mapping[int, float], is_float: bool = False) -> None:
    """Buckets by their index, each run of neighbours a span. `side`: positive or negative."""
    before, last = 0, None
    spans = getattr(one, f"{side}_spans")
    for place in sorted(buckets):
        if last is None or place > last + 1:
            spans.add(offset=place - (0 if last is None else last + 1))
        spans[-1].length += 1
        last = place
        if is_float:
            getattr(one, f"{side}_counts").append(buckets[place])
        else:
            getattr(one, f"{side}_deltas").append(int(buckets[place]) - before)
            before = int(buckets[place])


def bound(place: int, schema: int, custom: list[float]) -> float:
    if schema == CUSTOM:
        return -math.inf if place < 0 else math.inf if place >= len(custom) else custom[place]
    try:
        return float(2.0 ** (place * 2.0**-schema))
    except OverflowError:
        return math.inf


def buckets_of(one: Any) -> list[Bucket]:
    """Those that are not empty, the zero bucket included, in ascending order."""
    is_float = one.WhichOneof("count") == "count_float"
    found: list[Bucket] = []
    for side in ("negative", "positive"):
        place, at, before = 0, 0, 0
        for span in getattr(one, f"{side}_spans"):
            place += span.offset
            for _ in range(span.length):
                count = getattr(one, f"{side}_counts")[at] if is_float else before + getattr(one, f"{side}_deltas")[at]
                before, at = (0, at + 1) if is_float else (count, at + 1)
                low, high = (bound(k, one.schema, list(one.custom_values)) for k in (place - 1, place))
                found.append((low, high, count) if side == "positive" else (-high, -low, count))
                place += 1
    zero = one.zero_count_float if is_float else one.zero_count_int
    if zero:
        found.append((-one.zero_threshold, one.zero_threshold, zero))
    return sorted(bucket for bucket in found if bucket[2])


@st.composite
def histograms(draw: st.DrawFn) -> Any:
    is_float, gauge = draw(st.booleans()), draw(st.booleans())
    schema = draw(st.sampled_from([-4, -1, 0, 1, 3, 8, CUSTOM]))
    number = st.integers(0, 1 << 40)
    hint = GAUGE if gauge else draw(st.integers(0, 2))
    one = histogram(sum=draw(st.floats(-1e9, 1e9)), schema=schema, reset_hint=hint)
    far = 3 if schema == -4 else 60 << max(0, min(schema, 2))
    places = st.integers(0, 9) if schema == CUSTOM else st.integers(-far, far)
    sides = ["positive"] if schema == CUSTOM else ["positive", "negative"]
    total = 0.0
    for side in sides[: draw(st.integers(0, 2))]:
        some = draw(st.dictionaries(places, number, max_size=12))
        put_buckets(one, side, dict(some), is_float)
        total += sum(some.values())
    if schema == CUSTOM:
        one.custom_values.extend(sorted(draw(st.lists(st.integers(-20, 20), min_size=9, max_size=9, unique=True))))
    else:
        one.zero_threshold = draw(st.sampled_from([0.0, 2.0**-128, 2.0**-1000]))
        zero = draw(st.integers(0, 1000))
        total += zero
        setattr(one, "zero_count_float" if is_float else "zero_count_int", zero)
    setattr(one, "count_float" if is_float else "count_int", total if is_float else int(total))
    return one
