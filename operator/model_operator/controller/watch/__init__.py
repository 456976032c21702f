"""From watch events to keys in the work queue: kopf, initial list, triggers, resync, liveness."""
