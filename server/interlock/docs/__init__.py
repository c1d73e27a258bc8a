"""The documents that are made from the code of the server: diagrams, refusals, and what a pause looks like on the wire.

Nothing that serves imports it; `python -m interlock.docs` writes them.
"""
