"""Why workers do not get ready: from pods, and their events where the status does not tell, to one cause."""
