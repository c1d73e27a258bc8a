"""What every review says besides its question: for how long it is asked, who decides it, and how several do.

Law: each of these stands here, once; what a review asks is its own.

Source: `docs/workflows.md`, "Timeouts"; `docs/approvals.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.workflow.declare.ladder import Ladder
from interlock.workflow.declare.policies import Declared
from interlock_protocol.types import OnTimeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Ladder):
    """What people decide.

    Args:
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: what happens then: `cancel` the run, `skip` the node, or `approve`.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
    """

    timeout: float | None = None
    on_timeout: OnTimeout = "cancel"
    assignees: Sequence[str] | None = None
    policy: Declared = None
    distinct_from: Sequence[str] = ()
    exclude_starter: bool = False
    bind: bool = False
