"""What the operator knows about the cluster: one object cache per kind, and compiled templates."""
