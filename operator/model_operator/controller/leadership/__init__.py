"""Leader election: the Lease, and whether and where there is to be one."""
