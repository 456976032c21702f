"""Render the children of an instance from its compiled template."""
