"""The text of log events, as the attribute `message`: kept where somebody wants it counted by kind, and bounded.

Texts hold what people did not mean to share, and are most of what logs weigh. So they are only kept where
`intake.message_bytes` says so, or `windows.log_templates` needs them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from schemas.columns import Events, Strings
from workers.intake.mapping import Mapping
from workers.settings import IntakeSettings, Settings

MESSAGE = "message"
PATHS = ("message", "msg", "body", "log", "event.original")
"""Where plain JSON has its text, for mappings that do not say it themselves."""

NEEDED = 1_024
"""What is kept for templates: they look at no more."""


def with_messages(settings: Settings) -> IntakeSettings:
    """The settings of intake with what `message_bytes` means where nobody said it."""
    intake = settings.intake
    if intake.message_bytes is not None:
        return intake
    return intake.model_copy(update={"message_bytes": NEEDED if settings.windows.log_templates else 0})


def mapped(mapping: Mapping, message_bytes: int) -> Mapping:
    """The mapping, with the text among its attributes where it is wanted; one of its own stays as it is."""
    if not message_bytes or MESSAGE in mapping.attributes:
        return mapping
    return mapping.model_copy(update={"attributes": {**mapping.attributes, MESSAGE: PATHS}})


def bounded(events: Events, most: int) -> Events:
    """The events with texts of at most that many bytes in UTF-8, cut between two words where there are some.

    0: as they are.
    """
    names, values = events.attr_name, events.attr_value
    if most <= 0 or MESSAGE not in names.values:
        return events
    ours = (names.codes == names.values.index(MESSAGE)) & (values.codes >= 0)
    used = np.unique(values.codes[ours]).tolist()
    long = [code for code in used if 4 * len(values.values[code]) > most and len(values.values[code].encode()) > most]
    if not long:
        return events
    texts = list(values.values)
    known = {text: code for code, text in enumerate(texts)}
    target: NDArray[np.int32] = np.arange(len(texts), dtype=np.int32)
    for code in long:
        text = shortened(values.values[code], most)
        if text not in known:
            known[text] = len(texts)
            texts.append(text)
        target[code] = known[text]
    codes = values.codes.copy()
    codes[ours] = target[codes[ours]]
    return replace(events, attr_value=Strings(codes, texts))


def shortened(text: str, most: int) -> str:
    """The words of a text that fit into so many bytes; of a single long word what fits."""
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    cut = encoded[:most].decode("utf-8", "ignore")
    if encoded[most : most + 1].isspace():
        return cut
    whole = cut.rstrip()
    if whole == cut:  # the last word is cut; a single one is kept as far as it goes
        words = cut.rsplit(maxsplit=1)
        return words[0] if len(words) == 2 else cut
    return whole or cut
