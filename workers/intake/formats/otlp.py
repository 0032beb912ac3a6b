"""OTLP as the OpenTelemetry Collector's Kafka exporter writes it: a request with many resources a record, in protobuf
or JSON, of metrics, traces or logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from schemas.batch import Texts
from schemas.columns import Events, Fault
from schemas.faults import INVALID, Unreadable
from workers.intake.merging import merged
from workers.intake.otlp.host import HostMetrics
from workers.intake.otlp.items import ItemsDecoder
from workers.intake.otlp.json_form import to_protobuf
from workers.intake.otlp.mapping import OtlpMapping
from workers.intake.otlp.metrics import MetricsDecoder
from workers.intake.otlp.resources import Resources
from workers.intake.otlp.series import SeriesBook
from workers.intake.otlp.signals import Signal, is_json, looks_like_protobuf, signal_of_json, signals_of_protobuf

Found = tuple[Events, list[Fault], Mapping[str, int]]


class OtlpFormat:
    """`CountingFormat` and `LongNamesFormat` of OTLP.

    With a signal given, records are of that one, and nothing is claimed by looks.

    `messages`: whether the texts of log records are taken. Neither they nor the names of metrics are cut here: both
    may hold what is redacted.
    """

    marks: tuple[bytes, ...] = (b"\n", b'"resourceMetrics"', b'"resourceSpans"', b'"resourceLogs"')
    cuts_long_names: Literal[True] = True

    def __init__(self, mapping: OtlpMapping, entity: str, signal: Signal | None = None, messages: bool = False) -> None:
        self.name = f"otlp_{signal}" if signal else "otlp"
        self._signal = signal
        resources = Resources(mapping, entity)
        book = SeriesBook(mapping.metrics, mapping.host)
        self._metrics = MetricsDecoder(resources, book, HostMetrics(mapping.host), mapping.metrics.together_ms)
        self._items = ItemsDecoder(resources, mapping, messages)

    def claims(self, value: bytes) -> bool:
        if self._signal is not None:
            return False
        return looks_like_protobuf(value) if value[:1] == b"\n" else signal_of_json(value) is not None

    def decode(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> tuple[Events, list[Fault]]:
        events, faults, _ = self.decode_counted(values, arrived)
        return events, faults

    def decode_counted(self, values: Sequence[bytes], arrived: NDArray[np.int64]) -> Found:
        faults: list[Fault] = []
        sorted_out: dict[Signal, tuple[list[int], list[bytes]]] = {}
        told = [self._signal] * len(values) if self._signal else signals_of_protobuf(values)
        for place, value in enumerate(values):
            try:
                signal, message = _from_json(value, self._signal) if is_json(value) else (_known(told[place]), value)
            except Unreadable as error:
                faults.append(Fault(place, error.error_class, error.message))
            else:
                places, messages = sorted_out.setdefault(signal, ([], []))
                places.append(place)
                messages.append(message)
        parts: list[tuple[NDArray[np.int32], Events]] = []
        counts: dict[str, int] = {}
        for signal, (places, messages) in sorted_out.items():
            at = np.array(places, np.int32)
            events, refused, tally = self._decode(signal, Texts.of(messages), arrived[at])
            parts.append((at, events))
            faults += [Fault(places[fault.record], fault.error_class, fault.message) for fault in refused]
            counts |= tally
        return merged(parts), sorted(faults, key=lambda fault: fault.record), counts

    def _decode(self, signal: Signal, texts: Texts, arrived: NDArray[np.int64]) -> Found:
        if signal == "metrics":
            return self._metrics.decode(texts, arrived)
        return self._items.spans(texts, arrived) if signal == "traces" else self._items.logs(texts, arrived)


def _from_json(value: bytes, wanted: Signal | None) -> tuple[Signal, bytes]:
    """Signal and protobuf of a JSON record. Raises `Unreadable`."""
    signal = signal_of_json(value)
    if signal is None:
        raise Unreadable(INVALID, "JSON that does not begin with resourceMetrics, resourceSpans or resourceLogs")
    if wanted not in (None, signal):
        raise Unreadable(INVALID, f"the record holds {signal}, and its topic is set to otlp_{wanted}")
    return signal, to_protobuf(value)


def _known(signal: Signal | None) -> Signal:
    if signal is None:
        topics = "otlp_metrics, otlp_traces or otlp_logs"
        raise Unreadable(
            INVALID,
            f"which signal this is cannot be told; name its topic's format in FAULTLINE_INTAKE__FORMATS: {topics}",
        )
    return signal
