"""Agno AgentOS: its HTTP routes and its WebSocket, for clients that were written for it.

`middleware` recognizes these clients; `socket` and `routes` translate one connection and one request. `events`,
`outputs` and `actions` are the translation itself, and pure; `history` reads from a run's log what Interlock's events
leave out.

Source: `docs/agentos.md`.
"""

from interlock.bridges.agentos.middleware import AgentOS as AgentOS
