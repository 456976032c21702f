"""What every long-running process of the project has: logs, signals and sockets."""
