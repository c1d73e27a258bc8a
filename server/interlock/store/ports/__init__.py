"""The store's ports, one for each aggregate: what changes together, and the words for it.

`store/port.py` has their sum. Who needs one aggregate asks for that one.
"""
