"""HTTP beside the socket: health, workflows, runs. The same tokens, the same errors."""
