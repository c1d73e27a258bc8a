"""Standalone interactions: questions that somebody asks from outside, each a run of a built-in workflow.

Laws:
- Everything that a run has, an interaction has: its log, timers, policies, audit, lists, notices and webhooks are a
  run's.
- What it has to do besides is done by durable steps: so it is done once, also over a crash.

Source: `docs/interactions.md`.
"""
