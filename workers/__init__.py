"""Kafka consumer workers: the runtime, one package per worker, the sources and the command line."""
