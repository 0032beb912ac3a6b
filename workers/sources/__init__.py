"""Programs that post telemetry to Kafka: synthetic traffic, replay of files, this host."""
