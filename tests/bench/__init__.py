"""Interlock beside its closest peer and beside the floor: `python -m tests.bench`, or `make bench`."""
