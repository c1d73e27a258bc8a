"""Claiming runs and driving them, from one event to the next.

Law: only a run's owner drives it, and the owner's appends carry its generation.
"""
