"""The wire formats there are. A new one is a file of its own and a line in `BUILDERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from schemas.framing import Resolver
from workers.intake.formats.avro import AvroFormat
from workers.intake.formats.canonical import CanonicalFormat
from workers.intake.formats.cloudevents import CloudEventsFormat
from workers.intake.formats.collectd import CollectdFormat
from workers.intake.formats.fields import FieldsFormat
from workers.intake.formats.influx import InfluxFormat
from workers.intake.formats.metricbeat import MetricbeatFormat
from workers.intake.formats.otlp import OtlpFormat
from workers.intake.formats.remote_write import RemoteWriteFormat
from workers.intake.formats.syslog import MappedSyslogFormat, SyslogFormat
from workers.intake.formats.telegraf import TelegrafFormat
from workers.intake.formats.vector import VectorFormat, VectorLogs
from workers.intake.formats.wire import Format
from workers.intake.machines import Machines
from workers.intake.mappings import Mappings
from workers.intake.otlp.signals import Signal
from workers.intake.prometheus.series import Meaning
from workers.intake.template import Template, parse_template
from workers.settings import IntakeSettings


@dataclass(frozen=True)
class Given:
    """What a format may be built from; what several of them share is built once."""

    settings: IntakeSettings
    mappings: Mappings
    resolver: Resolver | None

    @cached_property
    def machines(self) -> Machines:
        return Machines(self.mappings.machines)

    @cached_property
    def counters(self) -> tuple[str, ...]:
        return (*self.mappings.machines.counters, *self.settings.counters)

    @cached_property
    def fields(self) -> FieldsFormat:
        return FieldsFormat(self.mappings.fields, self.settings.entity, self.zone)

    def syslog(self) -> Format:
        mapping = self.mappings.syslog
        if mapping is None:
            return SyslogFormat(self.template, self.settings.message_bytes, self.zone)
        return MappedSyslogFormat(FieldsFormat(mapping, self.settings.entity, self.zone), self.zone)

    @property
    def zone(self) -> tzinfo:
        name = self.settings.zone
        return UTC if name == "UTC" else ZoneInfo(name)

    def otlp(self, signal: Signal | None = None) -> OtlpFormat:
        return OtlpFormat(self.mappings.otlp, self.settings.entity, signal, bool(self.settings.message_bytes))

    @property
    def prometheus(self) -> Meaning:
        return Meaning(parse_template(self.settings.prometheus_entity), self.settings.prometheus_counters)

    @cached_property
    def template(self) -> Template:
        return parse_template(self.mappings.fields.entity or self.settings.entity)


BUILDERS: Mapping[str, Callable[[Given], Format]] = {
    # In the order in which they are asked whether a record is theirs.
    "otlp": lambda given: given.otlp(),
    "otlp_metrics": lambda given: given.otlp("metrics"),
    "otlp_traces": lambda given: given.otlp("traces"),
    "otlp_logs": lambda given: given.otlp("logs"),
    "avro": lambda given: AvroFormat(given.fields, given.resolver),
    "canonical": lambda given: CanonicalFormat(given.resolver),
    "telegraf": lambda given: TelegrafFormat(given.template, given.machines, given.counters),
    "collectd": lambda given: CollectdFormat(given.template, given.machines, given.settings.collectd_rates),
    "metricbeat": lambda given: MetricbeatFormat(given.template, given.machines, given.counters),
    "vector": lambda given: VectorFormat(given.template, given.machines, given.counters),
    "vector_logs": lambda given: VectorLogs(given.fields),
    "cloudevents": lambda given: CloudEventsFormat(given.mappings.fields, given.fields),
    "fields": lambda given: given.fields,
    "syslog": lambda given: given.syslog(),
    "influx": lambda given: InfluxFormat(given.template, given.machines, given.counters),
    "remote_write": lambda given: RemoteWriteFormat(given.prometheus, given.settings.max_unpacked_bytes),
}


def build_formats(settings: IntakeSettings, mappings: Mappings, resolver: Resolver | None) -> tuple[Format, ...]:
    """Every format. Raises `TemplateError`; ValueError where a topic names a format that there is not."""
    unknown = sorted(set(settings.formats.values()) - BUILDERS.keys())
    if unknown:
        raise ValueError(f"intake.formats names {', '.join(unknown)}; there are {', '.join(BUILDERS)}")
    given = Given(settings, mappings, resolver)
    return tuple(build(given) for build in BUILDERS.values())
