"""How much of anything a message may hold: every bound of the protocol that is a plain number.

Laws:
- A leaf: it imports nothing.
- A bound counts for whoever reads what others wrote; `docs/protocol.md`, "Limits", tells it to whoever writes.

Source: `docs/protocol.md`, "Frames", "Limits" and "Decisions".
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_MESSAGE_BYTES: Final = 1024 * KIB
"""The largest message of a client, unless the settings say otherwise."""

MAX_UNAUTHENTICATED_BYTES: Final = 64 * KIB
"""The largest message of a client that isn't authenticated: of one that has no more to say than who it is."""

MAX_DEPTH: Final = 128
"""How deep the values of a message may be nested, the message itself included."""

MAX_CLIENT_DEPTH: Final = 64
"""The same for what a client sends: less, since it comes back inside of events and requirements."""

MAX_UNAUTHENTICATED_DEPTH: Final = 16
"""The same for a client that isn't authenticated."""

MAX_VALUES: Final = 50_000
"""How many values a client's message holds, at every depth: what each costs, parsing to storing, is the loop's time."""

MAX_LIST: Final = 1000
"""How many elements a list has that a client's message declares, and how many keys an object has that it does."""

MAX_REQUEST_ID: Final = 256
"""How many characters a `request_id` has."""

MAX_FAULTS: Final = 50
"""How many faults an answer names: it isn't larger than the question."""

MAX_COUNTED_FAULTS: Final = 5000
"""How many faults are looked at to name the first: beyond that, an answer says only how many there are."""

MAX_QUOTED: Final = 100
"""How many characters of what a client sent are repeated in a sentence."""

MAX_BAD_FRAMES: Final = 100
"""How many frames in a row may be no messages at all before the connection is closed."""

MAX_FEEDBACK_BYTES: Final = 64 * KIB
MAX_EDITED_OUTPUT_BYTES: Final = 256 * KIB
MAX_STEP_INPUT_BYTES: Final = 4 * KIB

MAX_OUTPUT_BYTES: Final = 32 * MIB
"""The largest output of a step, as JSON; the same for a session's state, and the data of an event of a step's own."""

MAX_EVENT_BYTES: Final = 56 * MIB
"""The largest run event, in either codec: clients take frames of 64 MiB."""

MAX_PENDING_BYTES: Final = 48 * MIB
"""How much may wait for people in one run, as JSON: what is pending is told in one frame."""

MAX_STATE_BYTES: Final = 512 * MIB
"""How much a run may have to remember while it waits, as JSON: what its steps came to, and what it asks."""

MAX_NAME: Final = 256
"""How many characters the name of anything has."""

MAX_TEXT_BYTES: Final = 64 * KIB
"""The longest text that is declared: a question, a description."""

MAX_NESTING: Final = 32
"""How deep containers may stand in each other."""
