"""How much a user, and a connection, may ask for: asked in one place, as `may()` is for permission."""

from interlock.pacing.limiter import RateLimits
from interlock.pacing.pace import Pace
from interlock.pacing.windows import Windows

__all__ = ["Pace", "RateLimits", "Windows"]
