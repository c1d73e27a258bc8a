"""The frame of a widget: a page of its own, with nothing in it but a bridge to the page around it, and a bundle.

Laws:
- The frame has no origin of its own to speak of: it reads nothing of the server's, or of the page around it.
- Nothing is loaded but this bundle, nothing is sent anywhere, and nothing but the bridge runs beside it.

Source: `docs/widgets.md`, "The frame".
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_BUNDLE = "{{bundle}}"
_BRIDGE = "{{bridge}}"


def policy(sources: Sequence[str]) -> str:
    """The Content-Security-Policy of a frame.

    Args:
        sources: the addresses of its bundle, as browsers may have them.
    """
    digest = base64.b64encode(hashlib.sha256(_bridge().encode()).digest()).decode()
    return "; ".join(
        (
            "sandbox allow-scripts",
            "default-src 'none'",
            " ".join(("script-src", f"'sha256-{digest}'", *sources)),
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def page(bundle: str) -> str:
    """The page of a frame.

    Args:
        bundle: the address of its bundle, relative to the page.
    """
    return _part("frame.html").replace(_BUNDLE, bundle).replace(_BRIDGE, _bridge())


def _bridge() -> str:
    return _part("bridge.js")


@cache
def _part(name: str) -> str:
    return (files("interlock.widgets") / name).read_text("utf-8")
