"""``kubectl model``: shows instances and templates of a cluster."""
