"""The kinds of containers: what each does with the nodes inside it, one file a kind.

Laws:
- All that depends on a container's kind is in its file: its declaration, its own state and how that is folded, what
  comes next in it, what the nodes inside are given, and what its content is. Nobody else asks for a kind.
- No container knows another; `registry` has them all.
"""
