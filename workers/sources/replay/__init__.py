"""Recorded telemetry played again: files of canonical events or tables of metrics, merged in time order."""
