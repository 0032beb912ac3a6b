"""The wire formats there are. A new one is a file of its own and a line in `BUILDERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from schemas.framing import Resolver
from workers.intake.formats.canonical import CanonicalFormat
from workers.intake.formats.cloudevents import CloudEventsFormat
from workers.intake.formats.collectd import CollectdFormat
from workers.intake.formats.fields import FieldsFormat
from workers.intake.formats.influx import InfluxFormat
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.formats.syslog import SyslogFormat
from workers.intake.formats.telegraf import TelegrafFormat
from workers.intake.formats.wire import Format
from workers.intake.machines import MachineMapping, Machines, load_machines
from workers.intake.mapping import Mapping as FieldMapping
from workers.intake.otlp.mapping import OtlpMapping, load_otlp_mapping
from workers.intake.otlp.signals import Signal
from workers.intake.template import Template, parse_template
from workers.settings import IntakeSettings


@dataclass(frozen=True, slots=True)
class Given:
    """What a format may be built from."""

    settings: IntakeSettings
    mapping: FieldMapping
    resolver: Resolver | None
    otlp_mapping: OtlpMapping = field(default_factory=lambda: load_otlp_mapping(""))
    machine_mapping: MachineMapping = field(default_factory=lambda: load_machines(""))

    @property
    def machines(self) -> Machines:
        return Machines(self.machine_mapping)

    @property
    def fields(self) -> FieldsFormat:
        return FieldsFormat(self.mapping, self.settings.entity)

    def otlp(self, signal: Signal | None = None) -> OtlpFormat:
        return OtlpFormat(self.otlp_mapping, self.settings.entity, signal, self.settings.message_bytes or 0)

    @property
    def template(self) -> Template:
        return parse_template(self.mapping.entity or self.settings.entity)


BUILDERS: Mapping[str, Callable[[Given], Format]] = {
    # In the order in which they are asked whether a record is theirs.
    "otlp": lambda given: given.otlp(),
    "otlp_metrics": lambda given: given.otlp("metrics"),
    "otlp_traces": lambda given: given.otlp("traces"),
    "otlp_logs": lambda given: given.otlp("logs"),
    "canonical": lambda given: CanonicalFormat(given.resolver),
    "telegraf": lambda given: TelegrafFormat(given.template, given.machines),
    "collectd": lambda given: CollectdFormat(given.template, given.machines, given.settings.collectd_rates),
    "cloudevents": lambda given: CloudEventsFormat(given.mapping, given.fields),
    "fields": lambda given: given.fields,
    "syslog": lambda given: SyslogFormat(given.template),
    "influx": lambda given: InfluxFormat(given.template, given.machines),
}


def build_formats(
    settings: IntakeSettings,
    mapping: FieldMapping,
    otlp: OtlpMapping,
    machines: MachineMapping,
    resolver: Resolver | None,
) -> tuple[Format, ...]:
    """Every format. Raises `TemplateError`; ValueError where a topic names a format that there is not."""
    unknown = sorted(set(settings.formats.values()) - BUILDERS.keys())
    if unknown:
        raise ValueError(f"intake.formats names {', '.join(unknown)}; there are {', '.join(BUILDERS)}")
    given = Given(settings, mapping, resolver, otlp, machines)
    return tuple(build(given) for build in BUILDERS.values())
