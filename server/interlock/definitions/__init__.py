"""What is served: the definitions of workflows, wherever they come from.

Law: whoever asks for one knows the port alone; only the wiring knows which providers there are.
"""
