"""The protocol's limits: every bound that is a plain number.

Laws:
- A leaf: it imports nothing.
- A reader enforces a bound on what others wrote; writers learn it from `docs/protocol.md`, "Limits".

Source: `docs/protocol.md`, "Frames", "Limits" and "Decisions".
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_MESSAGE_BYTES: Final = 1024 * KIB
"""The largest message of a client, unless the settings say otherwise."""

MAX_UNAUTHENTICATED_BYTES: Final = 64 * KIB
"""The largest message of a client that isn't authenticated, and so has nothing to send but its token."""

MAX_DEPTH: Final = 128
"""How deep the values of a message may be nested, including the message itself."""

MAX_CLIENT_DEPTH: Final = 64
"""The same for a client's message: less, because its values come back inside events and requirements."""

MAX_UNAUTHENTICATED_DEPTH: Final = 16
"""The same for a client that isn't authenticated."""

MAX_VALUES: Final = 50_000
"""How many values a client's message may contain, at all depths together: each costs the event loop time, from parsing
to storing."""

MAX_LIST: Final = 1000
"""How many elements a declared list of a client's message may have, and how many keys a declared object."""

MAX_REQUEST_ID: Final = 256
"""The maximum length of a `request_id`, in characters."""

MAX_FAULTS: Final = 50
"""How many faults an answer names, so that it isn't larger than the request."""

MAX_COUNTED_FAULTS: Final = 5000
"""Up to how many faults the first ones are named; beyond that, an answer says only how many there are."""

MAX_QUOTED: Final = 100
"""How many characters of a client's text a sentence repeats."""

MAX_BAD_FRAMES: Final = 100
"""How many bad frames in a row close the connection."""

MAX_FEEDBACK_BYTES: Final = 64 * KIB
MAX_RESPONSE_BYTES: Final = 8 * KIB
"""The longest of several responses to one requirement, of up to a thousand people: all of them are shown with it."""

MAX_EDITED_OUTPUT_BYTES: Final = 256 * KIB
MAX_STEP_INPUT_BYTES: Final = 4 * KIB

MAX_DRAFT_BYTES: Final = 16 * KIB
MAX_REVISION: Final = 2**53 - 1  # the largest integer that is exact in every language

MAX_SIGNAL_BYTES: Final = 256 * KIB
"""The largest payload of a signal, as JSON."""

MAX_SIGNALS: Final = 100
"""How many signals of one topic a run keeps that nothing in it has taken yet."""

MAX_SIGNALS_IN_ALL: Final = 1000
"""The same of all topics together."""

MAX_KEPT_SIGNALS_BYTES: Final = 8 * MIB
"""The total size of their payloads, as JSON: they are part of the run's state, which every reader of it loads."""

MAX_OUTPUT_BYTES: Final = 32 * MIB
"""The largest output of a step, as JSON; also of a session's state, and of a custom event's data."""

MAX_EVENT_BYTES: Final = 56 * MIB
"""The largest run event, in either codec: clients accept frames of 64 MiB."""

MAX_PENDING_BYTES: Final = 48 * MIB
"""The total size of a run's pending requirements, as JSON, because they are sent in one frame."""

MAX_STATE_BYTES: Final = 512 * MIB
"""The largest state of a waiting run, as JSON: its steps' outputs, and its requirements."""

MAX_REASON: Final = 4096
"""The maximum length of the reason of a cancellation, or of a decision for somebody else, in characters."""

MAX_NAME: Final = 256
"""The maximum length of any name, in characters."""

MAX_TEXT_BYTES: Final = 64 * KIB
"""The longest declared text, such as a question or a description."""

MAX_NESTING: Final = 32
"""How deep containers may be nested."""
