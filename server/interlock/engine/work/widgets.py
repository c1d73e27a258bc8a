"""The bundles of widgets that are asked with.

Law: while the store is away, this waits: that must not fail the run.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from interlock.store.port import Bundles, StoreUnavailable
from interlock.workflow.program import BundleVersion

RETRY_SECONDS: Final = 0.5


async def bundle_version(store: Bundles, asked: BundleVersion) -> str | None:
    """The current version of a bundle; None if there is none."""
    while True:
        with contextlib.suppress(StoreUnavailable):
            return await store.current_bundle(asked.name)
        await asyncio.sleep(RETRY_SECONDS)
