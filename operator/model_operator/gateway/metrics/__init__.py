"""The metrics of the gateway, and its access log."""
