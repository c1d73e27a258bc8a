"""The store's SQL as far as both dialects share it, by aggregate; what writes on the hot path is in `writes`.

Laws:
- Statements are built once, here or in `writes`; on the hot path they only get parameters. (`list_runs` isn't.)
- A condition that two processes could race for stands in the statement that writes, not in a read before it.
"""
