"""What runs in a run: the code of a workflow's author, and expressions."""
