"""The state of a run as a fold of its log, and what comes next.

Law: pure; no clock, no I/O.
"""
