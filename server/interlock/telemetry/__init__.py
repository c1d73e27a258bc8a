"""What a server says of itself to operators: the context of log lines, counters, traces."""
