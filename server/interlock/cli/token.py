"""`interlock token`: prints the token, and how to use it.

Laws:
- Standard output has the token and nothing else, so that `$(interlock token)` works; the advice goes to standard error.
"""

from __future__ import annotations

from typing import IO
from urllib.parse import quote

from interlock.cli.target import Target
from interlock_client.address import http_url


def show_token(target: Target, *, out: IO[str], err: IO[str]) -> None:
    """Print the token of `target`."""
    print(target.token, file=out, flush=True)
    base = http_url(target.url)
    print(f"Open    {base}/?token={quote(target.token, safe='')}", file=err)
    print(f"or run  INTERLOCK_URL={base} INTERLOCK_TOKEN=$(interlock token) interlock runs", file=err)
