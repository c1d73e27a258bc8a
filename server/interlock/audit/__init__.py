"""The audit's chain: how entries are hashed, checked, and written into files. Pure."""
