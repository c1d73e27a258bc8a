"""What executes inside a run: the workflow author's code, agents and expressions."""
