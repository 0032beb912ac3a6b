"""Everything that says what wire formats mean, read from its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from workers.intake.machines import MachineMapping, load_machines
from workers.intake.mapping import Mapping, load_mapping
from workers.intake.messages import mapped
from workers.intake.otlp.mapping import OtlpMapping, load_otlp_mapping
from workers.settings import IntakeSettings


@dataclass(frozen=True, slots=True)
class Mappings:
    """Of plain JSON's fields, of syslog's where they are mapped, of OTLP, and of what agents say of machines."""

    fields: Mapping
    syslog: Mapping | None
    otlp: OtlpMapping
    machines: MachineMapping

    @classmethod
    def load(cls, intake: IntakeSettings) -> Self:
        """Those that the settings name, the built-in ones else. Raises `MappingError`."""
        fields = mapped(load_mapping(intake.mapping), intake.message_bytes or 0)
        syslog = None
        if intake.syslog:
            syslog = mapped(load_mapping(intake.syslog, "FAULTLINE_INTAKE__SYSLOG"), intake.message_bytes or 0)
        return cls(fields, syslog, load_otlp_mapping(intake.otlp), load_machines(intake.machines))

    def dump(self) -> list[dict[str, Any]]:
        """What they say, for a hash of it."""
        given = (self.fields, self.syslog, self.otlp, self.machines)
        return [one.model_dump() for one in given if one is not None]
