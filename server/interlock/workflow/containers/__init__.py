"""The kinds of containers: how each treats the nodes inside it, one file per kind.

Laws:
- Everything that depends on a container's kind is in its file: its declaration, its own state and how that is folded,
  what comes next in it, what the nodes inside are given, and what its content is. No other code checks the kind.
- No container knows another; `registry` lists them all.
"""
