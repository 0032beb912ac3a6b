"""`prometheus.WriteRequest` and its parts as protobuf classes, made of a description of `prompb/*.proto`."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _F.TYPE_DOUBLE,
    "int64": _F.TYPE_INT64,
    "uint64": _F.TYPE_UINT64,
    "uint32": _F.TYPE_UINT32,
    "sint32": _F.TYPE_SINT32,
    "sint64": _F.TYPE_SINT64,
    "string": _F.TYPE_STRING,
}

_MESSAGES = {
    "WriteRequest": "1* TimeSeries timeseries",
    "TimeSeries": "1* Label labels, 2* Sample samples, 4* Histogram histograms",
    "Label": "1 string name, 2 string value",
    "Sample": "1 double value, 2 int64 timestamp",
    "BucketSpan": "1 sint32 offset, 2 uint32 length",
    "Histogram": (
        "1/count uint64 count_int, 2/count double count_float, 3 double sum, 4 sint32 schema, 5 double zero_threshold, "
        "6/zero_count uint64 zero_count_int, 7/zero_count double zero_count_float, "
        "8* BucketSpan negative_spans, 9* sint64 negative_deltas, 10* double negative_counts, "
        "11* BucketSpan positive_spans, 12* sint64 positive_deltas, 13* double positive_counts, "
        "14 int64 reset_hint, 15 int64 timestamp, 16* double custom_values"
    ),
}
"""Fields by message: number, `*` if repeated or `/` and its oneof, type, name. Enumerations are int64."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="prompb.proto", package="prometheus", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            number, type_, label = field.split()
            number, _, oneof = number.partition("/")
            one = message.field.add(name=label, number=int(number.rstrip("*")))
            one.label = _F.LABEL_REPEATED if number.endswith("*") else _F.LABEL_OPTIONAL
            if type_ in _TYPES:
                one.type = _TYPES[type_]
            else:
                one.type, one.type_name = _F.TYPE_MESSAGE, f".prometheus.{type_}"
            if oneof:
                known = [some.name for some in message.oneof_decl]
                if oneof not in known:
                    message.oneof_decl.add(name=oneof)
                    known.append(oneof)
                one.oneof_index = known.index(oneof)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"prometheus.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(one) for name, one in found.items()}


_CLASSES = _classes()
WriteRequest: Any = _CLASSES["WriteRequest"]
Histogram: Any = _CLASSES["Histogram"]
