"""Entity names from attributes: `[{env}/][{namespace}/]{service}`; a part in brackets is left out when missing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PART = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)|(.)", re.DOTALL)
_FIELD = re.compile(r"\{([^{}]*)\}")


class TemplateError(ValueError):
    """The template cannot be used; the message says where and how to write it."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """Text and fields in turn, text first and last: `a{b}c` is texts (a, c) around fields (b)."""

    texts: tuple[str, ...]
    fields: tuple[str, ...]
    optional: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. `fields` are the attributes it reads, `required` those without which there is no name."""

    text: str
    segments: tuple[_Segment, ...]
    fields: tuple[str, ...]
    required: tuple[str, ...]

    def render(self, values: Sequence[str | None]) -> str | None:
        """The name from the values of `fields`, in their order; None if a required one is missing or empty."""
        by_field = dict(zip(self.fields, values, strict=True))
        parts: list[str] = []
        for segment in self.segments:
            found = [by_field[field] for field in segment.fields]
            if all(found):
                parts.append(_fill(segment, found))
            elif not segment.optional:
                return None
        return "".join(parts) or None

    def shown(self, values: Sequence[str | None]) -> frozenset[str]:
        """The fields whose values stand in the name that these values give."""
        there = {field for field, value in zip(self.fields, values, strict=True) if value}
        return frozenset(field for part in self.segments if there.issuperset(part.fields) for field in part.fields)

    def missing(self, values: Mapping[str, str]) -> list[str]:
        """The required attributes that are missing or empty."""
        return [field for field in self.required if not values.get(field)]


def parse_template(text: str) -> Template:
    """Raises TemplateError."""
    segments = tuple(_segments(text))
    fields = tuple(dict.fromkeys(field for segment in segments for field in segment.fields))
    if not fields:
        raise TemplateError(
            f"the entity template {text!r} names no attribute; write one in braces, such as {{service}}"
        )
    required = tuple(dict.fromkeys(f for segment in segments if not segment.optional for f in segment.fields))
    return Template(text, segments, fields, required)


def _segments(text: str) -> list[_Segment]:
    segments = []
    for optional, plain, stray in _PART.findall(text):
        if stray:
            raise TemplateError(
                f"the entity template {text!r} has a bracket without its other half, or brackets in brackets; "
                "an optional part is written [{env}/]"
            )
        pieces = _FIELD.split(optional or plain)
        texts, fields = tuple(pieces[::2]), tuple(pieces[1::2])
        if any("{" in t or "}" in t for t in texts) or not all(fields):
            raise TemplateError(f"the entity template {text!r} has braces that name no attribute; write {{service}}")
        if optional and not fields:
            raise TemplateError(f"the optional part [{optional}] of the entity template {text!r} names no attribute")
        segments.append(_Segment(texts, fields, bool(optional)))
    return segments


def _fill(segment: _Segment, values: Sequence[str | None]) -> str:
    parts = [segment.texts[0]]
    for value, text in zip(values, segment.texts[1:], strict=True):
        parts += [value or "", text]
    return "".join(parts)
