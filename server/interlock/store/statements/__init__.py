"""The SQL statements that both dialects share, by aggregate; the writes of the hot path are in `writes`.

Laws:
- Statements are built once, here or in `writes`; on the hot path they only get parameters. (Except `list_runs`.)
- A condition for which two processes could race is in the statement that writes, not in a read before it.
"""
