"""The sink: all that followers know of a transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from interlock_protocol.codec import Codec, Frame


@dataclass(frozen=True, slots=True)
class Sink:
    """The functions of a transport that followers use.

    Attributes:
        codec: encodes the transport's frames.
        say: sends a control message before any event that isn't sent yet; doesn't wait.
        room: waits until there is room for more.
        send: sends frames of `codec`, in this order; may wait until they are taken.
    """

    codec: Codec
    say: Callable[[dict[str, Any]], None]
    room: Callable[[], Awaitable[None]]
    send: Callable[[Sequence[Frame]], Awaitable[None]]
