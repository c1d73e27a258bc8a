"""The interface between the engine and workflows: everything that the engine knows of a workflow.

Laws:
- Whatever follows from a run's state, its program decides; the engine reads no declaration, and decides nothing.
- Everything here is pure: results are drafts of events, work, or a refusal.
- A program is immutable, and shared by all its runs.

Source: `docs/architecture.md`, "The pure core".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from interlock.secrets.port import Vault
from interlock.workflow.activities import (
    Activity,
    AgentTurn,
    BundleVersion,
    EarlierRun,
    Evaluation,
    Expression,
    Function,
    HttpCall,
    Instruct,
    OutputError,
    Roll,
    RollCall,
    Script,
    Session,
    SessionRead,
    StepInput,
    ThreadEnd,
)
from interlock.workflow.containers.machine import Machine
from interlock.workflow.decide import attend as attending
from interlock.workflow.decide import decide as decisions
from interlock.workflow.decide.asked_again import asked_again
from interlock.workflow.decide.attend import Attention
from interlock.workflow.decide.climb import climbed
from interlock.workflow.decide.decided import Decided
from interlock.workflow.decide.merge import Echoed
from interlock.workflow.decide.merge import refused as wrong_answer
from interlock.workflow.decide.signal import Sent, Signal, send
from interlock.workflow.decide.standing import Decider
from interlock.workflow.declare import templates
from interlock.workflow.declare.business import OFFICE, Office
from interlock.workflow.declare.inputs import checked_input
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.declare.values import legible, said
from interlock.workflow.run import advance as rules
from interlock.workflow.run import changed_definition, snapshots
from interlock.workflow.run.calls import Calls, Environment, calls_of
from interlock.workflow.run.events import Draft, Path, effects, step_event
from interlock.workflow.run.fold import NotLate, fold, fold_late, shift
from interlock.workflow.run.lifetimes import DAY_MS, EXPIRED_BY, FOR_GOOD, INSTANCE_PREFIX, Lifetimes
from interlock.workflow.run.machine_view import stay_of
from interlock.workflow.run.milestones import payload
from interlock.workflow.run.policy import Part
from interlock.workflow.run.signals import BY_INTERACTIONS
from interlock.workflow.run.state import (
    REDUCER_VERSION,
    TIMEOUT,
    TOOLS,
    Requirement,
    Resolution,
    RunState,
    UnreadableRun,
    dump,
    is_given_up,
    is_readable,
    load,
    load_parts,
    response_id,
    result_in,
)
from interlock.workflow.run.untold import Act, Asked, Milestone, MilestoneEvent, RunError, Untold
from interlock.workflow.run.walk import ends_run
from interlock.workflow.run.work import Advance, Work
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MAX_NAME
from interlock_protocol.types import JsonObject, JsonValue

__all__ = [
    "BY_INTERACTIONS",
    "DAY_MS",
    "EXPIRED_BY",
    "FOR_GOOD",
    "OFFICE",
    "REDUCER_VERSION",
    "TIMEOUT",
    "TOOLS",
    "Act",
    "Activity",
    "Advance",
    "AgentTurn",
    "Asked",
    "Attention",
    "BundleVersion",
    "Decided",
    "Decider",
    "Draft",
    "EarlierRun",
    "Echoed",
    "Environment",
    "Evaluation",
    "Expression",
    "Function",
    "HttpCall",
    "Instruct",
    "Lifetimes",
    "Milestone",
    "MilestoneEvent",
    "NotLate",
    "Office",
    "OutputError",
    "Part",
    "Path",
    "Program",
    "Requirement",
    "Resolution",
    "Roll",
    "RollCall",
    "RunError",
    "RunState",
    "Script",
    "Sent",
    "Session",
    "SessionRead",
    "Signal",
    "StepInput",
    "ThreadEnd",
    "UnreadableRun",
    "Untold",
    "Work",
    "asks_about_definition",
    "definition_changed",
    "dump",
    "effects",
    "fold",
    "fold_late",
    "is_readable",
    "legible",
    "load",
    "load_parts",
    "next_timer",
    "payload",
    "response_id",
    "result_in",
    "said",
    "shift",
    "snapshot",
    "stay_of",
    "unserved",
    "wrong_answer",
]

next_timer = decisions.next_timer
asks_about_definition = changed_definition.asks_about_definition
snapshot = snapshots.snapshot


class Program:
    """A workflow, as the engine sees it.

    Attributes:
        id, name, version: as declared.
        fingerprint: a hash of its structure: if it is unchanged, a waiting run goes on.
        asks_secrets: whether one of its forms has a secret.
        makes_instances: whether its runs are instances of a state machine.
        run_prefix: what the ids of its runs begin with: those of a machine are instances.

    Args:
        office: when people work, for business time.
    """

    def __init__(self, workflow: Workflow, office: Office = OFFICE) -> None:
        workflow.prepare()
        self.workflow = workflow
        self._office = office
        self.id = workflow.id
        self.name = workflow.name
        self.version = workflow.version
        self.fingerprint = workflow.fingerprint
        self.asks_secrets = workflow.asks_secrets
        is_machine = isinstance(workflow.steps[0], Machine) and len(workflow.steps) == 1
        self.makes_instances = is_machine
        self.run_prefix = INSTANCE_PREFIX if is_machine else "run-"

    # ── Starting ────────────────────────────────────────────────────────────────────────────────────────

    def checked_input(self, message: JsonValue) -> JsonValue:
        """Return a run's input: the message, checked against what the workflow declares, with its defaults.

        Raises:
            Refusal: `invalid_message`.
        """
        return checked_input(self.workflow, message)

    def business_key_of(self, given: JsonValue, namespace: str, run_id: str) -> str | None:
        """The business key of a run with this input, if the workflow gives it one.

        Raises:
            Refusal: `invalid_message`: it is too long, or has a NUL, which no store takes.
        """
        if self.workflow.business_key is None:
            return None
        context: JsonObject = {"namespace": namespace, "instance_id": run_id, "workflow_name": self.name}
        key = templates.written(templates.expand(self.workflow.business_key, {"input": given, "context": context}))
        if len(key) > MAX_NAME or "\x00" in key:
            fault: JsonObject = {"field": "business_key", "error": f"has at most {MAX_NAME} characters, and no NUL"}
            sentence = "With this input the run's business key is too long, or has a NUL."
            raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=[fault])
        return key or None

    def fits(self, state: RunState) -> bool:
        """Return True if a run that began under another definition of this workflow can go on under this one."""
        return changed_definition.fits(self.workflow, state)

    # ── Driving ─────────────────────────────────────────────────────────────────────────────────────────

    def advance(
        self,
        state: RunState,
        now: int,
        held: Collection[str] = (),
        *,
        most: int | None = None,
        begin: Path | None = None,
    ) -> Advance:
        """Return what happens next in a run that hasn't ended: see `run.advance.advance`."""
        return rules.advance(self.workflow, state, now, held, most=most, begin=begin, office=self._office)

    def calls(self, state: RunState, work: Work, environment: Environment) -> Calls[Any]:
        """Yield the activities of a piece of work in order, and return its result: see `run.calls`."""
        return calls_of(self.workflow, state, work, environment)

    def concluded(self, state: RunState, work: Work, result: Any, now: int) -> tuple[Draft, ...]:
        """The events of a piece of work that returned `result`."""
        return rules.concluded(self.workflow, state, work, result, now, self._office)

    def failed(
        self,
        state: RunState,
        work: Work,
        error: BaseException,
        now: int,
        *,
        jitter: float = 1.0,
        at_work: bool = False,
        secrets: Iterable[str] = (),
    ) -> Draft:
        """The event of a piece of work that raised, with the time of a retry: see `run.advance.failed`."""
        return rules.failed(self.workflow, state, work, error, now, jitter=jitter, at_work=at_work, secrets=secrets)

    def ends_run(self, state: RunState, work: Work) -> bool:
        """Return True if the result of a piece of work ends the run."""
        return ends_run(state, work)

    def is_given_up(self, state: RunState, work: Work) -> bool:
        """Return True if a piece of work is no longer needed: its node, or one around it, has ended."""
        return is_given_up(state, work.path)

    def recovered(
        self,
        state: RunState,
        *,
        evaluating: Sequence[Work] = (),
        is_handover: bool = False,
        was_let_go: bool = False,
        held: Collection[str] = (),
    ) -> tuple[Draft, ...]:
        """The events with which a new owner resumes a run that was interrupted: see `run.advance.recovered`."""
        return rules.recovered(
            self.workflow, state, evaluating=evaluating, is_handover=is_handover, was_let_go=was_let_go, held=held
        )

    def paused(self, state: RunState) -> Draft:
        """The event of a run in which nothing can go on without a person."""
        return snapshots.paused(self.workflow, state)

    def unwritable(self, state: RunState, error: Exception) -> tuple[Draft, ...]:
        """The events that end a run because something in it can't be written."""
        return rules.unwritable(self.workflow, state, error)

    def streamed(self, state: RunState, work: Work) -> tuple[JsonObject, JsonObject]:
        """The fields shared by everything that a step streams, and those that its text has in addition."""
        base = step_event(state, self.name, work.place, work.path, work.visit, "")
        del base["created_at"]
        step = work.place.node
        agent = step.agent if isinstance(step, Step) else None
        if agent is None:
            return base, {}
        return base, {"executor_id": agent.id, "executor_name": agent.name, "executor_type": agent.type}

    # ── Commands ────────────────────────────────────────────────────────────────────────────────────────

    def decide(
        self,
        state: RunState,
        echoed: Sequence[Echoed],
        *,
        by: Decider,
        now: int,
        seen: int | None = None,
        audited: Mapping[str, Resolution] | None = None,
        vault: Vault | None = None,
    ) -> tuple[Decided, ...]:
        """What a `continue-workflow` resolves; empty if all of it was resolved in the same way before.

        Raises:
            Refusal: nothing of it may be applied: see `decide.decide`.
        """
        return decisions.decide(self.workflow, state, echoed, by=by, now=now, seen=seen, audited=audited, vault=vault)

    def continued(
        self, state: RunState, decided: Sequence[Decided], *, resolved_by: str, now: int
    ) -> tuple[Draft, ...]:
        """The events of these decisions, one each, in order; and the run's end, if that was decided."""
        drafts = decisions.continued(self.workflow, state, decided, resolved_by=resolved_by, now=now)
        return drafts + decisions.ended_with(self.workflow, state, decided, resolved_by)

    def attend(self, state: RunState, message: Attention, *, by: Decider, now: int) -> tuple[Draft, ...]:
        """The event of a claim, of its release, or of a handing over; none if it is so already.

        Raises:
            Refusal: it can't be: see `decide.attend`.
        """
        return attending.attend(self.name, state, message, by, now)

    def stands_in(self, state: RunState, requirement_id: str, absent: str, substitute: str) -> tuple[Draft, ...]:
        """The event of asking a substitute besides somebody who is away; none if nobody is to be asked so."""
        return attending.stands_in(self.name, state, requirement_id, absent, substitute)

    def send(self, state: RunState, signal: Signal, *, fits: bool) -> Sent:
        """The effect of a signal; none if it was here before.

        Args:
            fits: whether the run can go on under this definition.

        Raises:
            Refusal: it isn't taken: see `decide.signal.send`.
        """
        return send(self.workflow, state, signal, fits=fits)

    def asked_again(self, state: RunState, event: dict[str, Any], index: int) -> Requirement | None:
        """What the decision in `event`, at `index` of the log, was about; None if nothing asks that any more."""
        return asked_again(self.workflow, state, event, index)

    def expired(self, state: RunState, now: int) -> tuple[Decided, ...]:
        """What timeouts resolve now, by the store's clock in milliseconds since 1970."""
        return decisions.expired(self.workflow, state, now)

    def climbed(self, state: RunState, now: int) -> tuple[Draft, ...]:
        """The events of reminders and escalations that are due now: see `decide.climb`."""
        return climbed(self.name, state, now)

    def cancel(self, state: RunState, *, reason: str | None, cancelled_by: str) -> tuple[Draft, ...]:
        """The events of a cancellation; none if the run is already cancelled.

        Raises:
            Refusal: `run_finished`.
        """
        return decisions.cancel(self.workflow, state, reason=reason, cancelled_by=cancelled_by)


def definition_changed(program: Program | None, state: RunState, now: int) -> tuple[Draft, ...]:
    """The events of a run that can't go on under the served definition: an error, and the question about it."""
    return changed_definition.definition_changed(None if program is None else program.workflow, state, now)


def unserved(workflow_id: str) -> Program:
    """A program that has only its name, for runs whose definition is gone."""
    return Program(changed_definition.stand_in(workflow_id))
