"""The store's ports, one for each aggregate: the data that changes together, with its types.

`store/port.py` has their sum. Code that needs one aggregate depends on its port only.
"""
