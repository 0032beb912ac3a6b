"""How long an HTTP server asks to be left alone."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def waiting_time(retry_after: str, now: float, longest: float, otherwise: float) -> float:
    """Seconds that a header `Retry-After` asks for, a number or a date; from 0 to `longest`, whatever it says.

    `now` is epoch seconds; `otherwise` is for a header that is empty or says nothing that can be read.
    """
    try:
        text = retry_after.strip()
        seconds = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError):
        seconds = otherwise
    return min(max(seconds, 0.0), longest)
