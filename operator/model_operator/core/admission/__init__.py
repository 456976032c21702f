"""What is let into the cluster: decisions on writes of templates and instances, shared by all who ask."""
