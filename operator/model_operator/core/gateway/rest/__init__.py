"""The platform's REST API: objects of the cluster as the platform's JSON, and its requests as objects."""
