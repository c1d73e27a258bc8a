"""Claiming runs and driving them, from one event to the next.

Law: only the owner of a run drives it, and what it appends carries its generation.
"""
