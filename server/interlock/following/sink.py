"""Where followers take what they tell: all that they know of a transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from interlock_protocol.codec import Codec, Frame


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a transport takes what followers tell.

    Attributes:
        codec: what makes its frames.
        say: sends a control message before any event that isn't sent yet; it doesn't wait.
        room: returns when there is room for more.
        send: sends frames of `codec`, in this order; it may wait until they are taken.
    """

    codec: Codec
    say: Callable[[dict[str, Any]], None]
    room: Callable[[], Awaitable[None]]
    send: Callable[[Sequence[Frame]], Awaitable[None]]
