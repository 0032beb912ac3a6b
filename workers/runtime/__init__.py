"""The consumer machinery: exactly-once micro-batches from Kafka to Kafka with checkpoints in Redis.

It knows nothing about anomalies. A worker is a `Stage` handed to it.
"""
