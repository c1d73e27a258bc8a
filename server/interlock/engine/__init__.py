"""The engine: claims runs, executes their steps, appends what follows, and takes commands.

Laws:
- The log is the truth: the engine's state is a fold of it, and what the head refuses did not happen.
- User code runs only when everything before it is in the log.
- A paused run is owned by nobody and costs no memory here.
"""
