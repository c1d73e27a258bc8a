"""Notices: who is waited for is told, by e-mail and other channels.

Laws:
- A notice opens the page, and decides nothing.
- Whoever is asked is told once for each pause, at least once after a crash, and not of what was decided meanwhile.
- A channel that is slow or away delays no run, no other channel, and nothing else.

Source: `docs/notices.md`.
"""
