"""A node of the version after this one: to it, each event that a step makes itself has a new meaning.

A server of the workflows of this module is such a node; one of those of `upgrades` is of this version.
"""

from __future__ import annotations

import sys
from typing import Any, cast

from tests.faults.upgrades import workflows

from interlock.workflow.run import state

__all__ = ["workflows"]

NEXT = state.REDUCER_VERSION + 1

for name, module in tuple(sys.modules.items()):
    if name.startswith("interlock.") and hasattr(module, "REDUCER_VERSION"):
        cast("Any", module).REDUCER_VERSION = NEXT
cast("dict[str, int]", state.SINCE)["CustomEvent"] = NEXT
