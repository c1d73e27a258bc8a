"""Decisions: pure functions from a state and a client's command to events, or to a refusal."""
