"""The definitions of the served workflows, from any source.

Law: code that uses definitions knows only the port; only the wiring knows the providers.
"""
