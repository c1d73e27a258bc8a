"""What every review says besides its question: for how long it is asked, who decides it, how several do, and what
happens while nobody does.

Law: each of these stands here, once; what a review asks is its own.

Source: `docs/workflows.md`, "Timeouts"; `docs/approvals.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.workflow.declare.business import Span
from interlock.workflow.declare.policies import Declared
from interlock_protocol.types import OnTimeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What people are asked.

    Args:
        timeout: how long to wait, in seconds; None means forever.
        assignees: user ids, or `group:NAME`, who may decide instead of the run's owner.
        policy, distinct_from, exclude_starter: how several decide, and who of them may not: see `docs/approvals.md`.
        bind: whether a decision has to say, by its `digest`, what it was made on: see `docs/audit.md`.
        reminders: after which times whoever is asked is told again.
        escalate: after which times who else is asked: `(time, user id or group:NAME)`.
        due: until when an answer is wanted; then whoever is asked is told again, and nothing is decided.

    These times are numbers of seconds, or `BusinessTime`, and count from when the question comes up.
    """

    timeout: float | None = None
    assignees: Sequence[str] | None = None
    policy: Declared = None
    distinct_from: Sequence[str] = ()
    exclude_starter: bool = False
    bind: bool = False
    reminders: Sequence[Span] = ()
    escalate: Sequence[tuple[Span, str]] = ()
    due: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Asking):
    """What people decide about a node.

    Args:
        on_timeout: what happens when nobody has in time: `cancel` the run, `skip` the node, or `approve`.
    """

    on_timeout: OnTimeout = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What waits for something else than people, perhaps not for ever.

    Args:
        timeout: how long to wait, in seconds; None means forever.
        on_timeout: what happens then, as in `Decided`.
    """

    timeout: float | None = None
    on_timeout: OnTimeout = "cancel"
