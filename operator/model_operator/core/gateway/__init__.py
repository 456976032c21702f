"""What the gateway decides, without I/O: names, routes, translation, balancing, access and errors."""
