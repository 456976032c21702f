"""What Prometheus reads: the metrics, and where their values come from."""
