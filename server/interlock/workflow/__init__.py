"""Workflows: their declaration, and what follows from a run's state. PURE: no asyncio, no clock, no I/O.

Laws:
- Only `fold(state, event)` changes a state; `advance(workflow, state)` and `decide(workflow, state, …)` read it and
  return what to append.
- Nothing here knows how an event is stored, who follows a run, or which process drives it.
"""
