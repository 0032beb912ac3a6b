"""Made-up telemetry with a known truth: service traffic, logs and host samples, with anomalies at known places."""
