"""Widgets: what pages show where a run waits for an interaction with code of its author's.

Laws:
- A bundle is public code, named by its content: under one name and hash there is never anything else.
- It runs in a frame of its own, which reaches nothing but the page that shows it.

Source: `docs/widgets.md`.
"""
