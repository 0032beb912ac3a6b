"""The wire formats there are. A new one is a file of its own and a line in `BUILDERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.intake.formats.canonical import CanonicalFormat
from workers.intake.formats.fields import FieldsFormat
from workers.intake.formats.wire import Format
from workers.intake.mapping import load_mapping
from workers.settings import IntakeSettings

BUILDERS: Mapping[str, Callable[[IntakeSettings], Format]] = {
    # In the order in which they are asked whether a record is theirs.
    "canonical": lambda settings: CanonicalFormat(),
    "fields": lambda settings: FieldsFormat(load_mapping(settings.mapping), settings.entity),
}


def build_formats(settings: IntakeSettings) -> tuple[Format, ...]:
    """Every format. Raises `MappingError`, `TemplateError`; ValueError where a topic names a format there is not."""
    unknown = sorted(set(settings.formats.values()) - BUILDERS.keys())
    if unknown:
        raise ValueError(f"intake.formats names {', '.join(unknown)}; there are {', '.join(BUILDERS)}")
    return tuple(build(settings) for build in BUILDERS.values())
