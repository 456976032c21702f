"""The dialect of JSON Schema in which templates describe parameters, and its evaluation in bounded time."""
