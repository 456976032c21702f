"""Revisions of templates: their identity, the objects that keep them, and which one an instance runs."""
