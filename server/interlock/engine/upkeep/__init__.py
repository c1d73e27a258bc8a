"""What happens by itself: takeovers, timers, notices, and the removal of what is old.

Law: nobody has to ask for any of it.
"""
