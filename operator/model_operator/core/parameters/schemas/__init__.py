"""The JSON Schema dialect of parameter schemas, and its evaluation in bounded time."""
