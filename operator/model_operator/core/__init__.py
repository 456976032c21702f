"""Decisions without I/O: validation, rendering, contracts and status as pure functions."""
