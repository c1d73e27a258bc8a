"""The names of widgets' bundles, and of what people do in them.

Source: `docs/widgets.md`.
"""

from __future__ import annotations

import re
from typing import Final

BUNDLE: Final = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""A bundle's name."""

EVENT: Final = r"^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$"
"""The name of an event."""

VERSION: Final = r"^[0-9a-f]{32}$"
"""The version of a bundle: a hash of its text."""

OWN: Final = "_interact"
"""What the keys begin with that the server adds to what a widget returns; a widget's own are left out."""


def is_bundle(name: object) -> bool:
    """Return True if a bundle can be called so."""
    return isinstance(name, str) and re.fullmatch(BUNDLE[1:-1], name) is not None


def is_event(name: object) -> bool:
    """Return True if an event can be called so."""
    return isinstance(name, str) and re.fullmatch(EVENT[1:-1], name) is not None
