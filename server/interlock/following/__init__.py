"""Following runs, and lists of runs.

Law: a subscription is a cursor, on a log or on the change feed.
"""
