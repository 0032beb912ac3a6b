"""OTLP: what the OpenTelemetry Collector and SDKs send, from bytes to canonical events."""
