"""How much a user, and a connection, may ask for: asked in one place, as `may()` is for permission."""

from interlock.ratelimit.connection import Pace
from interlock.ratelimit.limiter import RateLimits
from interlock.ratelimit.windows import Windows

__all__ = ["Pace", "RateLimits", "Windows"]
