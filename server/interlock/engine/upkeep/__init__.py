"""Background work: takeovers, timers, pause notices, and the removal of old data.

Law: all of it runs without a client's request.
"""
