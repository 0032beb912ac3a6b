"""The columns of archived files (docs/archive.md): those of the records, and where in Kafka each row lay."""

from __future__ import annotations

import pyarrow as pa

from schemas.events import decode_events
from workers.archive.files import EVENTS, SCORES, VECTORS
from workers.canonical import to_arrow

TIME = pa.timestamp("us", "UTC")

PLACE = [pa.field("partition", pa.int32()), pa.field("offset", pa.int64()), pa.field("appended_at", TIME)]
"""Where the row lay: its partition, its offset, and when the broker appended it."""

_WINDOW = [pa.field("window_start", TIME), pa.field("window_end", TIME)]
_FLAGS = [pa.field(name, pa.bool_()) for name in ("silent", "retired", "regular")]


def _records(**fields: pa.DataType) -> pa.DataType:
    return pa.list_(pa.struct([pa.field(name, kind) for name, kind in fields.items()]))


_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()

_VECTORS = [
    pa.field("entity", _TEXT),
    pa.field("profile_version", _COUNT),
    *_WINDOW,
    pa.field("feature_set", _TEXT),
    pa.field("layout", _TEXT),  # "" where the feature set says the names; else the key of the footer's `layouts`
    pa.field("values", pa.list_(_NUMBER)),
    pa.field("sequence", _COUNT),
    pa.field("event_count", _COUNT),
    pa.field("late_count", _COUNT),
    pa.field("skewed_count", _COUNT),
    *_FLAGS,
]

_SCORES = [
    pa.field("id", _TEXT),
    pa.field("entity", _TEXT),
    *_WINDOW,
    pa.field("event_count", _COUNT),
    *_FLAGS,
    pa.field("anomaly_score", _NUMBER),
    pa.field("is_anomaly", pa.bool_()),
    pa.field("severity", _TEXT),
    pa.field("confidence", _NUMBER),
    pa.field("model", pa.struct([pa.field(n, _TEXT) for n in ("id", "version", "role", "scope", "period")])),
    pa.field("expected", _records(metric=_TEXT, actual=_NUMBER, low=_NUMBER, high=_NUMBER)),
    pa.field("contributions", _records(metric=_TEXT, feature=_TEXT, share=_NUMBER, direction=_TEXT)),
    pa.field("note", _TEXT),
]


def plain(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries: those depend on how a log was cut into batches, and files must not."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


_EVENTS = [pa.field(f.name, plain(f.type)) for f in to_arrow(decode_events([])[0]).schema]

FILE_SCHEMAS = {
    VECTORS: pa.schema([*_VECTORS, *PLACE]),
    SCORES: pa.schema([*_SCORES, *PLACE]),
    EVENTS: pa.schema([*_EVENTS, *PLACE]),
}
"""What a file of each kind holds. Profile and day are in its path."""

BLOCK_SCHEMAS = {
    kind: schema if kind == EVENTS else schema.append(pa.field("profile", _TEXT))
    for kind, schema in FILE_SCHEMAS.items()
}
"""The same on the way to a file."""

EVENT_TIME = {VECTORS: "window_end", SCORES: "window_end", EVENTS: "timestamp"}
"""The column that says which day a row belongs to."""
