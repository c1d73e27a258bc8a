"""Bridges: other protocols, for clients that exist already.

Laws:
- A bridge translates and decides nothing: each request and each action is carried out by the server's own routes and
  socket, with their rights, limits and refusals.
- A bridge stands on the public ports only. Nothing below knows that there are any.
"""
