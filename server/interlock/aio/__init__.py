"""How tasks wait, are ended, and share an answer.

Law: nothing here knows what Interlock is.
"""
