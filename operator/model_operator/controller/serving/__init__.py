"""Serving a port: reserving its address and accepting connections."""
