"""WebSockets: who may open one, its life, its actions, and how its frames leave."""
