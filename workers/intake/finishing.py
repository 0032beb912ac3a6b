"""What becomes of decoded events before they leave: redacted, cut to their bounds, encoded, refused where that fails.

Whoever reads what intake reads, from wherever, finishes it here, so that the same document is the same event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events
from schemas.events import encode_events
from schemas.framing import Writer
from workers.intake.formats.wire import Format, LongNamesFormat
from workers.intake.limits import Refusals, filled, refused, slimmed
from workers.intake.long_names import bounded_names
from workers.intake.messages import bounded
from workers.intake.redaction import Redaction
from workers.settings import IntakeSettings


@dataclass(frozen=True, slots=True)
class Finished:
    """Events, what they are as bytes, and which rows must not leave, with the reason."""

    events: Events
    encoded: list[bytes]
    refusals: Refusals


@dataclass(frozen=True, slots=True)
class Finish:
    """What the settings say. `message_bytes`: of a log event's text, 0 without a bound; `most_bytes`: of an event."""

    redaction: Redaction | None
    message_bytes: int
    most_bytes: int
    framing: Writer | None = None

    @classmethod
    def of(cls, intake: IntakeSettings, framing: Writer | None = None) -> Finish:
        """Of settings in which `message_bytes` is settled (`with_messages`)."""
        redaction = Redaction(intake.redact, intake.redact_key.get_secret_value()) if intake.redact else None
        return cls(redaction, intake.message_bytes or 0, intake.max_record_bytes, framing)

    def finished(self, events: Events, wire: Format, observed_at: NDArray[np.int64], sizes: Sequence[int]) -> Finished:
        """The events of one format as they may be written; `observed_at` (n,) replaces theirs, and `sizes` are those of
        the records that they came in, in bytes.

        Rules see texts whole, so redaction comes before all that cuts.
        """
        if self.redaction is not None:
            events = self.redaction.applied(events)
        if isinstance(wire, LongNamesFormat):
            events = bounded_names(events)
        events, heavy = slimmed(replace(bounded(events, self.message_bytes), observed_at=observed_at), sizes)
        events, nameless = filled(events)
        encoded = encode_events(events, self.framing)
        return Finished(events, encoded, nameless | heavy | refused(events, encoded, self.most_bytes))
