"""The Kubernetes API client that controller and kubectl plugin share; imports core and api only."""
