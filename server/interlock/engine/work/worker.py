"""The code of a workflow's author, run on what a run's state gives it.

Laws:
- What code is given is its own copy: the state is the fold of the log, and nobody else's.
- What code returns is checked before it becomes an event; what it raises is the caller's to log.

Source: `docs/workflows.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from interlock.engine.work.agents import run_agent
from interlock.engine.work.expressions import Expressions
from interlock.engine.work.functions import Threads, TimeLimitExceeded, call, execute, time_limited
from interlock.engine.work.sessions import Sessions
from interlock.engine.work.stream import RunWriter, StepStream
from interlock.secrets.port import SecretUnreadable, Vault, struck
from interlock.store.session_changes import difference, patched
from interlock.workflow.decide.decide import purpose_of
from interlock.workflow.declare.agents import AgentPause
from interlock.workflow.declare.errors import OutputError
from interlock.workflow.declare.expressions import Expression
from interlock.workflow.declare.form_models import Misfit
from interlock.workflow.declare.forms import answer_of
from interlock.workflow.declare.inputs import nested_input
from interlock.workflow.declare.io import Content, Session, StepInput, StepOutput, json_ready, side_effect_key
from interlock.workflow.declare.nodes import Condition, Evaluator, Loop, Node, Router, Step, Workflow
from interlock.workflow.declare.reviews import Ask, Review
from interlock.workflow.declare.values import read
from interlock.workflow.node import NodeState
from interlock.workflow.run.advance import Executed, Judged
from interlock.workflow.run.scope import (
    MISSING,
    content_of_node,
    newest_contents,
    newest_filled_in,
    scope_at,
    scope_in_iteration,
    sent_back,
)
from interlock.workflow.run.state import node_at
from interlock.workflow.run.walk import Work
from interlock_protocol.types import JsonObject, JsonValue


class Worker:
    """Runs the code of one run.

    Args:
        vault: opens the secrets that people typed into forms.

    Attributes:
        is_cancelled: what a step in a thread is told when it asks.
        secrets: those that the run's steps were given: what they say is logged without them.
    """

    def __init__(
        self,
        workflow: Workflow,
        writer: RunWriter,
        sessions: Sessions,
        threads: Threads,
        expressions: Expressions,
        vault: Vault | None = None,
    ) -> None:
        self._workflow = workflow
        self._threads = threads
        self._writer = writer
        self._sessions = sessions
        self._expressions = expressions
        self._vault = vault
        self.is_cancelled = False
        self.secrets: set[str] = set()

    async def result(self, work: Work) -> Any:
        """What a piece of work comes to: what `concluded` takes.

        Raises:
            BaseException: whatever the code raised, and `OutputError` for what can't be a result.
        """
        node = work.place.node
        match work.task, node:
            case "execute", Step():
                return await self._executed(work, node)
            case "condition", Condition(evaluator=evaluator):
                return _truth(await self._looked(evaluator, work), "a condition's evaluator")
            case "end_condition", Loop():
                return await self._ends(work, node)
            case "selector", Router(selector=selector) if selector is not None:
                return _routes(await self._looked(selector, work), list(work.place.children))
            case "thread", Step():
                return await self._thread_ended(work, node)
            case "review", Loop() | Router():
                return await self._judged(work, node)
            case "input", Step(workflow=Workflow() as nested):
                return self._nested_input(work, nested)
        raise AssertionError(work)

    def _nested_input(self, work: Work, nested: Workflow) -> JsonValue:
        scope = scope_at(self._workflow, self._writer.state, work.path)
        return nested_input(nested, scope.input if scope.previous is None else scope.previous)

    async def _executed(self, work: Work, step: Step) -> Executed:
        step_input = await self._input(work)
        session, node = step_input.session, node_at(self._writer.state, list(work.path))
        before = _copy_of(session.state)
        if node is not None and node.session_changes:  # an agent goes on from where it paused
            session.state.update(patched(before, node.session_changes))
        async with time_limited(step.time_limit) as limit:
            output = await self._output(work, step, replace(step_input, _cancelled=lambda: self._gone(limit)))
        changes = difference(before, _kept_in(session))
        if isinstance(output, AgentPause):
            _refuse_secrets(output, self.secrets)
            return Executed(output, session=changes)
        if self.secrets:
            output = _without(output, self.secrets)
        return Executed(output, await self._is_reviewed(step, output), changes)

    async def _thread_ended(self, work: Work, step: Step) -> None:
        """Return when no thread is at work any more for an earlier try of the step.

        Raises:
            TimeLimitExceeded: it takes longer than a try may take.
        """
        try:
            async with time_limited(step.time_limit):
                await self._threads.ended(self._writer.state.run_id, work.place.step_id)
        except TimeLimitExceeded:
            raise TimeLimitExceeded(
                f"its last try is still at work in its thread, {step.time_limit:g} s after the next was due; "
                "it isn't tried again meanwhile"
            ) from None

    def is_at_work(self, work: Work) -> bool:
        """Whether a thread is at work for a step, also if nobody waits for it any more."""
        return work.place.step_id in self._threads.of(self._writer.state.run_id)

    def _begin(self, work: Work) -> Callable[[], Callable[[], None]]:
        return partial(self._threads.begin, self._writer.state.run_id, work.place.step_id)

    def _gone(self, limit: asyncio.Timeout) -> bool:
        return self.is_cancelled or limit.expired()

    async def _output(self, work: Work, step: Step, step_input: StepInput) -> Content | AgentPause:
        stream = StepStream(self._writer, self._workflow, work, self.secrets)
        if step.executor is not None:
            return await execute(step.executor, step_input, stream, begin=self._begin(work))
        assert step.agent is not None
        node = node_at(self._writer.state, list(work.path))
        return await run_agent(step.agent, None if node is None else node.agent, step_input, stream)

    async def _is_reviewed(self, node: Node, output: Content) -> bool:
        review = node.asks(Review)
        if review is None or review.when is None:
            return review is not None
        shown = StepOutput(_copy_of(output.content), success=output.success, error=output.error, stop=output.stop)
        return _truth(await call(review.when, shown), "a Review's `when`")

    async def _judged(self, work: Work, node: Loop | Router) -> Judged:
        content = content_of_node(work.place, node_at(self._writer.state, list(work.path)))
        output = Content(None if content is MISSING else content, "json")
        if await self._is_reviewed(node, output):
            return Judged(reviewed=True)
        return Judged(reviewed=False, ends=isinstance(node, Loop) and await self._ends(work, node))

    async def _ends(self, work: Work, loop: Loop) -> bool:
        if loop.end_condition is None:
            return False
        return _truth(await self._looked(loop.end_condition, work), "an end condition")

    async def _looked(self, evaluator: Evaluator, work: Work) -> Any:
        """What code, or an expression, makes of the run as it is."""
        given = await self._input(work)
        if isinstance(evaluator, Expression):
            return await self._expressions.value(evaluator, given)
        return await call(evaluator, given)

    async def _input(self, work: Work) -> StepInput:
        state, workflow = self._writer.state, self._workflow
        node = node_at(state, list(work.path))
        scope = (scope_in_iteration if isinstance(work.place.node, Loop) else scope_at)(workflow, state, work.path)
        if node is not None:
            scope = sent_back(scope, node)
        return StepInput(
            input=_as_model(scope.schema, scope.input),
            previous_step_content=_copy_of(scope.previous),
            user_input=self._user_input(work, node),
            rejection_feedback=scope.feedback,
            previous_output=_copy_of(scope.previous_output),
            session=await self._sessions.for_step(),
            run_id=state.run_id,
            user_id=state.user_id,
            account=state.account,
            namespace=state.namespace,
            attempt=max(work.attempt, 1) if work.task == "execute" else 1,
            iteration=scope.iteration,
            max_iterations=scope.max_iterations,
            idempotency_key=side_effect_key(
                state.run_id,
                work.path,
                work.visit,
                0 if node is None else node.round,
                0 if node is None else node.inputs,
            ),
            _contents=lambda: _copy_of(newest_contents(workflow, self._writer.state)),
            _cancelled=lambda: self.is_cancelled,
        )

    def _user_input(self, work: Work, node: NodeState | None) -> Any:
        """What was filled in for a step; code that looks where a run goes sees what was filled in last."""
        looks = node is None or _is_looking(work)
        filled = newest_filled_in(self._writer.state) if looks else node
        if filled is None or filled.user_input is None:
            return None
        try:
            return self._filled(filled, filled.user_input, opens=not looks)
        except Misfit:
            if not looks:
                raise
            return _copy_of(filled.user_input)  # what stands for a secret that is gone may be none of the model's type

    def _filled(self, node: NodeState, values: JsonObject, *, opens: bool) -> Any:
        """What a person filled in: a dict, or an instance of the model that was asked for.

        Args:
            opens: whether the secrets in it are opened: for the step that asked for them, and for nobody else.

        Raises:
            Misfit: the model doesn't take it.
        """
        place = self._workflow.by_step_id.get(node.step_id)
        ask = None if place is None else place.node.asks(Ask)
        sealed = node.sealed if opens else {}
        secrets = {name: self._opened(node, name, each) for name, each in sealed.items()}
        self.secrets.update(str(each) for each in secrets.values())
        return answer_of(None if ask is None else ask.model, _copy_of(values), secrets)

    def _opened(self, node: NodeState, name: str, sealed: str) -> JsonValue:
        if self._vault is None:
            raise SecretUnreadable("the server has no key to open a secret with: set INTERLOCK_SECRETS_KEYS")
        facts = {"step_id": node.step_id, "visit": node.visit}
        return self._vault.opened(sealed, purpose_of(self._writer.state.run_id, facts, name))


def _is_looking(work: Work) -> bool:
    """Whether code looks at a run to decide where it goes: it sees what people have filled in so far."""
    return work.task != "execute"


def _refuse_secrets(pause: AgentPause, secrets: Set[str]) -> None:
    """See that an agent's pause, all of which is logged, repeats no secret. Struck arguments would be those that run.

    Raises:
        OutputError: it does.
    """
    if not secrets:
        return
    shown = _copy_of([[dict(each.tool.args), list(each.user_feedback)] for each in pause.requests])
    if struck(shown, secrets) != shown:
        raise OutputError("the arguments of a tool have a secret in them; hand it over by the agent's dependencies")
    state = _copy_of(pause.state)
    if struck(state, secrets) != state:
        raise OutputError("what an agent keeps over a pause has a secret in it; leave it out, and ask for it again")


def _without(output: Content, secrets: Set[str]) -> Content:
    """An output that doesn't repeat the secrets that its step was given."""
    error = None if output.error is None else str(struck(output.error, secrets))
    return replace(output, content=struck(output.content, secrets), error=error)


def _as_model(model: type[BaseModel] | None, value: JsonValue) -> Any:
    """A value as code is given it: of the model that is declared for it, where one is."""
    return _copy_of(value) if model is None else read(model, value)


def _kept_in(session: Session) -> JsonObject:
    """A session's state as a step leaves it.

    Raises:
        OutputError: it can't be written as JSON.
    """
    state, _ = json_ready(session.state, "what a session keeps")
    assert isinstance(state, dict)
    return state


def _copy_of(value: JsonValue) -> Any:
    """A copy for a step to do with as it likes: the state is the fold of the log, and nobody else's."""
    return from_json(to_json(value)) if isinstance(value, dict | list) else value


def _truth(value: Any, who: str) -> bool:
    if not isinstance(value, bool):
        raise OutputError(f"{who} returns True or False, not {type(value).__name__}")
    return value


def _routes(value: Any, available: list[str]) -> list[str]:
    """The selected names, in order of declaration."""
    listed = list(value) if isinstance(value, list | tuple | set) else [value]
    names = [each if isinstance(each, str) else getattr(each, "name", None) for each in listed]
    for name in names:
        if name not in available:
            raise OutputError(f"the selector returned {name!r}; the routes are: {', '.join(available)}")
    if not names:
        raise OutputError(f"the selector selected nothing; the routes are: {', '.join(available)}")
    return [name for name in available if name in names]
