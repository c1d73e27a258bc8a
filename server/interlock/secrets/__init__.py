"""What is kept where nobody can read it: see `port`."""
