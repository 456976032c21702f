"""``kubectl model``: what a cluster has of instances and templates, for people."""
