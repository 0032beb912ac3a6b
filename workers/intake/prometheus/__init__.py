"""Prometheus remote-write: series of labels, and the events that their samples become."""
