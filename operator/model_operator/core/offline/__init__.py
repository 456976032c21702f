"""Work on manifests without a cluster: reading, checking, rendering, comparing."""
