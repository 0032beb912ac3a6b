"""VictoriaMetrics and Prometheus: metrics asked for over the HTTP API that both speak."""
