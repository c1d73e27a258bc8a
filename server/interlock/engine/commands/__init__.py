"""The commands of clients and of the clock on a run: start, decide, expire, cancel.

Law: an acknowledged command is durable.
"""
