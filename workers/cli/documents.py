"""Documents of a store as events, by the formats and mappings that intake reads its topics with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.columns import NULL_TIME, Events, Strings
from schemas.faults import INVALID, UNKNOWN_FORM
from workers.cli.failures import WrongUse
from workers.intake.finishing import Finish
from workers.intake.formats.registry import build_formats
from workers.intake.mapping_files import MappingError
from workers.intake.mappings import Mappings
from workers.intake.messages import with_messages
from workers.intake.reading import Part, read
from workers.intake.sorting import Sorter
from workers.intake.template import TemplateError
from workers.settings import Settings
from workers.sources.columns import Rows, concat, metric_events, take

Fault = tuple[str, str]
"""Error class and message."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a batch of documents is: `document` (n,) is the place of each event's document, ascending.

    Every document has at least one event or is in `faults`, by its place.
    """

    events: Events
    document: NDArray[np.int32]
    faults: dict[int, Fault]


class DocumentReader:
    """Reads documents, JSON bytes, as intake would: by its mapping, rules of redaction, bounds of texts and limits.

    `mapping` names another mapping of fields than the settings'.
    """

    def __init__(self, settings: Settings, mapping: str = "") -> None:
        intake = with_messages(settings)
        intake = intake.model_copy(update={"mapping": mapping or intake.mapping})
        try:
            self._sorter = Sorter(build_formats(intake, Mappings.load(intake), None), {})
        except (MappingError, TemplateError) as error:
            raise WrongUse(str(error)) from error
        self._finish = Finish.of(intake)

    def read(self, documents: Sequence[bytes]) -> Read:
        faults: dict[int, Fault] = {}
        parts: list[Events] = []
        places: list[NDArray[np.int32]] = []
        empty = set(range(len(documents)))
        found = read(self._sorter, "", documents, np.full(len(documents), NULL_TIME))
        faults |= found.faults
        faults |= dict.fromkeys(found.unknown, (UNKNOWN_FORM, "no known format; a document must be a JSON object"))
        for part in found.parts:
            empty.difference_update(part.place.tolist())
            events, document = self._finished(part, faults)
            parts.append(events)
            places.append(document)
        faults |= dict.fromkeys(empty - faults.keys(), (INVALID, "it holds nothing that could be an event"))
        if not parts:
            return Read(_nothing(), np.empty(0, np.int32), faults)
        events, document = concat(parts), np.concatenate(places)
        if len(parts) > 1:
            order = np.argsort(document, kind="stable")
            events, document = take(events, order), document[order]
        return Read(events, document, faults)

    def _finished(self, part: Part, faults: dict[int, Fault]) -> tuple[Events, NDArray[np.int32]]:
        """The events as intake would write them; a document of which one is refused goes as a whole."""
        # The events were observed long ago; when they were read here says nothing of them.
        unknown = np.full(len(part.events), NULL_TIME)
        finished = self._finish.finished(part.events, part.wire, unknown, part.sizes)
        events, document, refusals = finished.events, part.place.astype(np.int32), finished.refusals
        for row in sorted(refusals, reverse=True):
            faults[int(document[row])] = refusals[row]
        if refusals:
            keep: Rows = np.flatnonzero(~np.isin(document, sorted(faults)))
            events, document = take(events, keep), document[keep]
        return events, document


def _nothing() -> Events:
    return metric_events(np.empty(0, np.int64), Strings(np.empty(0, np.int32), ()), "log", "", [], np.empty((0, 0)))
