"""Why workers are not ready: one cause from pods, and from their Events where the status is not enough."""
