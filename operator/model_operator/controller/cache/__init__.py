"""What is known of the cluster: one object cache for each kind, and compiled templates."""
