"""What clients and the clock ask of a run: start, decide, expire, cancel.

Law: what is acknowledged is durable.
"""
