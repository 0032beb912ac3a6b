"""Scalars of JSON as the texts and numbers of an event."""

from __future__ import annotations

import math
from datetime import datetime


def text_of(value: object) -> str:
    """A scalar as an attribute: true, 200, 0.5; a whole number without its point. Null is no text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def scaled(value: object, scale: float) -> float | None:
    """`value` times `scale`; None where that is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value) * scale
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
