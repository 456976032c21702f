"""Rendering an instance of a compiled template into its child objects."""
