"""Secrets: sealed, kept, fenced in, struck out; keys, and private files: see `port`, `fence` and `kept`."""
