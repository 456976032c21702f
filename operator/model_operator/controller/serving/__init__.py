"""Serving a port: binding its address and accepting connections within bounds."""
