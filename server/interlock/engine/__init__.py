"""The engine: claims runs, executes their steps, appends the resulting events, and takes commands.

Laws:
- The log is the truth: the engine's state is a fold of it, and an append that the head refuses did not happen.
- User code runs only when everything before it is in the log.
- A paused run has no owner and costs no memory here.
"""
