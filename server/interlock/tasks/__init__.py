"""The types of tasks: those that are built in, and one's own in Python.

Laws:
- A type says what it asks of the engine (`context.py`), and does nothing to the world by itself: whatever leaves this
  process does so by the engine's one way out, with its limits, its fences and its idempotency key.
- Own ones are registered where they are declared, once.

Source: `docs/graphs.md`, "Task types".
"""
