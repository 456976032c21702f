"""The metrics that Prometheus scrapes, and the sources of their values."""
