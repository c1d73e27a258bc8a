"""Decisions: pure functions from a state and what a person sent to events, or a refusal."""
