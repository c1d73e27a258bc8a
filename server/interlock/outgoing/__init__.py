"""Requests that leave this server, to addresses that others choose."""
