"""Sealed secrets, keys, and private files: see `port`."""
