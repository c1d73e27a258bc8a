"""The server's process: startup, connections, logging, and open files."""
