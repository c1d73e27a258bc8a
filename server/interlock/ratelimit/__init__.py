"""Rate limits of users and connections, checked in one place, as `may()` checks permission."""

from interlock.ratelimit.connection import Pace
from interlock.ratelimit.limiter import RateLimits
from interlock.ratelimit.windows import Windows

__all__ = ["Pace", "RateLimits", "Windows"]
