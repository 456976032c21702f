"""The shell around the core: watching, caching, queueing, writing. It decides nothing itself."""
