"""The archive: what passed through Kafka as Parquet files that stay."""
