"""Reading live Kubernetes objects: ownership, managed fields, drift, roll-out state, conditions."""
