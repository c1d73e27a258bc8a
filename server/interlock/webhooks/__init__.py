"""Webhooks: who wants to be told of what becomes of runs, and telling them over HTTP."""
