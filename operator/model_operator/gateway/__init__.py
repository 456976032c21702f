"""The gateway: the process that calls the workers of all models for authenticated clients."""
