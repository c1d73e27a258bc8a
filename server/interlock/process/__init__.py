"""A process that is a server: its connections, and its files."""
