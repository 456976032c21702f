"""What can be found out from manifests alone, without a cluster: reading, judging, rendering, comparing."""
