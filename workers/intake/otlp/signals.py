"""Which of OTLP's signals records carry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from schemas.batch import Texts
from schemas.kernels.text import PADDING
from workers.intake.kernels.otlp_signal import is_request, signals_of

Signal = Literal["metrics", "traces", "logs"]

_JSON = re.compile(rb'\s*\{\s*"resource(Metrics|Spans|Logs)"\s*:')
_NAMES: dict[bytes, Signal] = {b"Metrics": "metrics", b"Spans": "traces", b"Logs": "logs"}
_BY_CODE: tuple[Signal | None, ...] = ("metrics", "metrics", "traces", "logs", None)


def is_json(value: bytes) -> bool:
    """Whether this can be no protobuf, whose first byte is a line feed; JSON may begin with one."""
    return value.lstrip()[:1] == b"{" and not (value[:1] == b"\n" and looks_like_protobuf(value))


def signal_of_json(value: bytes) -> Signal | None:
    """The signal that the first key of a JSON object names."""
    found = _JSON.match(value)
    return _NAMES[found[1]] if found else None


def looks_like_protobuf(value: bytes) -> bool:
    """Whether a record is a request from its first byte to its last, as far as the fields of its resources."""
    return value[:1] == b"\n" and bool(is_request(np.frombuffer(value + PADDING, np.uint8), len(value)))


def signals_of_protobuf(values: Sequence[bytes]) -> list[Signal | None]:
    """The signal of each request, as its first items show it; None where they could be of any.

    A request without items is one of metrics, for want of another name.
    """
    texts = Texts.of(values)
    return [_BY_CODE[code] for code in signals_of(texts.buf, texts.starts, texts.ends).tolist()]
