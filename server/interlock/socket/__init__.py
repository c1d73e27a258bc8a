"""WebSockets: who may open one, its life cycle, its actions, and how its frames are sent."""
