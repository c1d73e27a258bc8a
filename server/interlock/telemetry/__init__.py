"""Telemetry for operators: the context of log lines, counters, and traces."""
