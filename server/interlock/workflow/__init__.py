"""Workflows: how they are declared, and what follows from their state. PURE: no asyncio, no clock, no I/O.

Laws:
- `fold(state, event)` is the only way a state changes; `advance(workflow, state)` and `decide(workflow, state, …)`
  look at it and say what is to be appended.
- Nothing here knows how an event is stored, who watches, or which process runs what.
"""
