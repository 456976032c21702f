"""Leader election: the Lease, and the settings that decide whether and where it is used."""
