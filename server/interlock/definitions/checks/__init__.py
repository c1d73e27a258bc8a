"""The checks of a definition in JSON, part by part.

Law: a check yields every fault of its part, and never raises, whatever the JSON is.
"""
