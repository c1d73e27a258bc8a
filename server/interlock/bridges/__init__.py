"""Bridges: other protocols, for existing clients.

Laws:
- A bridge translates and decides nothing: each request and each action is carried out by the server's own routes and
  socket, with their rights, limits and refusals.
- A bridge uses the public ports only. No module below knows of bridges.
"""
