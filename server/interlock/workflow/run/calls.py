"""The activities that a piece of work calls, one after the other, and the use of their results.

Laws:
- A piece of work is a generator: it yields activities, is sent their results, and returns what `concluded` takes. An
  exception of an activity ends it. It does nothing itself; its caller, an engine or a test, runs the activities.
- Code gets its own copy of the data: the state is the fold of the log, which no one else may change.
- What code returns is checked before it becomes an event.
- A secret is opened only for the step that asked for it, and the step's result doesn't repeat it.

Source: `docs/workflows.md`, "What a step is given" and "Secrets".
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Generator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from interlock.secrets.fence import Asker
from interlock.secrets.port import SecretUnreadable, Vault, struck
from interlock.store.session_changes import difference, patched
from interlock.workflow.activities import (
    Activity,
    AgentTurn,
    BundleVersion,
    Evaluation,
    Function,
    HttpCall,
    Instruct,
    Returned,
    Roll,
    RollCall,
    Script,
    SessionRead,
    TaskCall,
    ThreadEnd,
    host_part,
)
from interlock.workflow.containers.machine import ENTER, state_of_step
from interlock.workflow.containers.port import MISSING, Judged, Scope, roots_of, truth
from interlock.workflow.containers.registry import container_of
from interlock.workflow.declare import templates
from interlock.workflow.declare.agents import AgentPause
from interlock.workflow.declare.errors import OutputError, TaskFailed
from interlock.workflow.declare.flow import REFUSALS, answered_port, condition_of
from interlock.workflow.declare.form_models import Misfit
from interlock.workflow.declare.forms import answer_of
from interlock.workflow.declare.inputs import nested_input
from interlock.workflow.declare.io import (
    Content,
    Session,
    StepInput,
    StepOutput,
    json_ready,
    side_effect_key,
    side_effect_key_of_logic,
)
from interlock.workflow.declare.logic import (
    AnswerLogic,
    AnyLogic,
    ConditionLogic,
    HttpLogic,
    ScriptLogic,
    SetLogic,
    TaskLogic,
    TextLogic,
)
from interlock.workflow.declare.node import Node
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.declare.places import Place
from interlock.workflow.declare.policies import asked_of
from interlock.workflow.declare.reviews import Ask, Review, widget_of
from interlock.workflow.declare.values import legible, read
from interlock.workflow.declare.widgets import Widget, props_from
from interlock.workflow.node import NO_FORM, NodeState
from interlock.workflow.run.advance import Executed
from interlock.workflow.run.meant import meant
from interlock.workflow.run.requirements import purpose_of
from interlock.workflow.run.rolls import is_called
from interlock.workflow.run.scope import (
    content_of_node,
    context_of,
    newest_contents,
    newest_filled_in,
    scope_at,
    scope_of_work,
    signal_at,
)
from interlock.workflow.run.state import RunState, node_at
from interlock.workflow.run.walk import asks_now
from interlock.workflow.run.work import Work
from interlock_protocol.namespaces import home_of
from interlock_protocol.types import JsonObject, JsonValue

T = TypeVar("T")

Calls: TypeAlias = Generator[Activity, Any, T]
"""A piece of work: it yields activities to run, and returns its result."""


SECRETS = frozenset({"secrets"})
"""The root of templates that is filled in only when a request is sent."""


def _no() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of the code of one run.

    Args:
        vault: opens the secrets that people typed into forms.
        secrets: the secrets that the run's steps were given so far, redacted from what they log.
        is_cancelled: the answer for a step in a thread that asks whether it is cancelled.
    """

    vault: Vault | None = None
    secrets: set[str] = field(default_factory=set)
    is_cancelled: Callable[[], bool] = _no


def calls_of(workflow: Workflow, state: RunState, work: Work, environment: Environment) -> Calls[Any]:
    """Yield the activities of a piece of work, and return its result: what `concluded` takes.

    Raises:
        OutputError: what code returned can't be a result.
        Misfit, SecretUnreadable: a person's input can no longer be given to the step.
    """
    return _TASKS[work.task](_Piece(workflow, state, work, environment))


class _Piece:
    """One piece of work."""

    def __init__(self, workflow: Workflow, state: RunState, work: Work, environment: Environment) -> None:
        self._workflow = workflow
        self._state = state
        self._work = work
        self._around = environment

    @property
    def _node(self) -> NodeState | None:
        return node_at(self._state, list(self._work.path))

    @property
    def _step(self) -> Step:
        step = self._work.place.node
        assert isinstance(step, Step)
        return step

    # ── Tasks ───────────────────────────────────────────────────────────────────────────────────────────

    def execution(self) -> Calls[Executed]:
        step, node = self._step, self._node
        given = yield from self._input()
        before = _copy_of(given.session.state)
        if node is not None and node.session_changes:  # an agent goes on from where it paused
            given.session.state.update(patched(before, node.session_changes))
        output: Content | AgentPause
        if isinstance(step.logic, AnswerLogic):
            output = self._answer(step.logic, node)
        elif step.executor is not None:
            output = yield Function(step.executor, given, step.time_limit)
        elif step.logic is not None:
            output = yield from self._logic(step.logic, given)
        elif step.agent is None:
            output = Content(
                None if node is None else _copy_of(node.form.widget), "json"
            )  # what was done in its widget is all that it does
        else:
            output = yield AgentTurn(step.agent, None if node is None else node.agent, given, step.time_limit)
        changes = difference(before, _kept_in(given.session))
        secrets = self._around.secrets
        if isinstance(output, AgentPause):
            _refuse_secrets(output, secrets)
            return Executed(output, session=changes)
        output = _without(output, secrets)
        return Executed(output, (yield from self._is_reviewed(output)), changes)

    def thread_end(self) -> Calls[None]:
        yield ThreadEnd(self._step.time_limit)

    def nested_input(self) -> Calls[JsonValue]:
        yield from ()  # it calls nothing, but still has to be a generator
        container = container_of(self._work.place.node)
        nested = None if container is None else container.inner
        assert nested is not None
        scope = scope_at(self._workflow, self._state, self._work.path)
        return nested_input(nested, scope.input if scope.previous is None else scope.previous)

    def evaluation(self) -> Calls[Any]:
        """Ask a container's function, or expression, about the current state of the run."""
        evaluator = self._work.evaluator
        assert evaluator is not None
        given = yield from self._input()
        return (yield Evaluation(evaluator, given))

    def judgement(self) -> Calls[Judged]:
        content = content_of_node(self._work.place, self._node)
        if (yield from self._is_reviewed(Content(None if content is MISSING else content, "json"))):
            return Judged(reviewed=True)
        return Judged(reviewed=False, ends=self._work.evaluator is not None and (yield from self.evaluation()))

    def roll_call(self) -> Calls[Roll]:
        """Have it looked up who is asked, and in which widget."""
        review = meant(self._workflow, self._state, self._work.path, asks_now(self._work.place, self._node), 0)
        roll, widget = Roll(), widget_of(review)
        if is_called(review):
            starter = self._state.user_id if review.distinct_from or review.exclude_starter else None
            roll = yield RollCall(self._state.account, tuple(asked_of(review) or ()), starter)
        return roll if widget is None else replace(roll, widget=(yield from self._widget(widget)))

    def _widget(self, widget: Widget) -> Calls[JsonObject]:
        """Look up the version of a widget that is shown, and have its props worked out."""
        found: JsonObject = {"version": (yield BundleVersion(widget.bundle))}
        if callable(widget.props):
            returned = yield Evaluation(widget.props, (yield from self._input()))
            found["props"] = props_from(returned, f"Step {self._work.place.node.name!r}")
        return found

    # ── The logic of a machine's state ──────────────────────────────────────────────────────────────────

    def _answer(self, logic: AnswerLogic, node: NodeState | None) -> Content:
        """What people answered, or what a signal came with, and the port that it leads to.

        Raises:
            TaskFailed: they said no, and no link leads on from there.
        """
        form = NO_FORM if node is None else node.form
        said: Any = _copy_of(form.interaction)
        if said is None:
            return Content(_copy_of(form.widget if not form.signal else form.signal[0]), "json")
        port = answered_port(said)
        if said["outcome"] in REFUSALS and port not in logic.ports:
            raise TaskFailed(f"{self._step.name!r} came to this: {said['outcome']}", str(said["outcome"]))
        return Content(said, "json", port=port)

    def _flow(self, logic: SetLogic | ConditionLogic, scope: Scope, given: StepInput) -> Calls[Content]:
        """Give values, or compute whether something holds."""
        roots = _copy_of(self._roots(scope))
        if isinstance(logic, SetLogic):
            return Content(templates.expand(logic.values, roots), "json")
        beside = {**roots, "values": templates.expand(logic.values, roots)}
        asked = replace(given, input=roots["input"], _beside=beside)
        holds = truth((yield Evaluation(condition_of(logic.expression), asked)), "a condition")
        return Content({"result": holds}, "json", port="true" if holds else "false")

    def _roots(self, scope: Scope) -> dict[str, Any]:
        """What templates of a task may begin with."""
        roots = roots_of(scope)
        roots["context"] = {**roots["context"], "session_id": self._state.run_id}
        return roots

    def _logic(self, logic: AnyLogic, given: StepInput) -> Calls[Content]:
        """Run a script or a task, make a request, or have a text written."""
        scope = scope_of_work(self._workflow, self._state, self._work.path)
        if isinstance(logic, SetLogic | ConditionLogic):
            return (yield from self._flow(logic, scope, given))
        if isinstance(logic, TaskLogic) and scope.tasks is not None and scope.data is None:
            returned: Returned = yield task_of(logic, self._roots(scope), given, self._asker(given))
            self._around.secrets.update(returned.secrets)
            return Content(returned.value, "json", logs=returned.logs)
        roots: dict[str, Any] = {
            "input": given.input,
            "workflow_data": given.workflow_data,
            "context": {
                **context_of(self._workflow, self._state),
                "state_name": state_of_step(self._step.name),
            },
        }
        if isinstance(logic, TextLogic):
            written: Returned = yield Instruct(logic.prompt, templates.expand(logic.data, roots), logic.model)
            return Content({} if written.value is None else {"instruction": written.value}, "json")
        if isinstance(logic, ScriptLogic):
            returned = yield Script(logic.code, roots, self._asker(given))
            content: JsonValue = returned.value
        elif isinstance(logic, TaskLogic):
            returned = yield task_of(logic, roots, given, self._asker(given))
            content = returned.value if logic.output is None else {logic.output: returned.value}
        else:
            assert isinstance(logic, HttpLogic)
            returned = yield request_of(logic, roots, given, self._asker(given))
            content = {} if logic.output is None else {logic.output: returned.value}
        self._around.secrets.update(returned.secrets)
        response = None if isinstance(logic, ScriptLogic) else returned.value
        return Content(content, "json", logs=returned.logs, response=response)

    def _asker(self, given: StepInput) -> Asker:
        return Asker(given.account, given.namespace, self._workflow.id)

    # ── The code to call ────────────────────────────────────────────────────────────────────────────────

    def _is_reviewed(self, output: Content) -> Calls[bool]:
        node: Node = self._work.place.node
        review = node.asks(Review)
        if review is None or review.when is None:
            return review is not None
        shown = StepOutput(_copy_of(output.content), success=output.success, error=output.error, stop=output.stop)
        return truth((yield Evaluation(review.when, shown)), "a Review's `when`")

    # ── Its input ───────────────────────────────────────────────────────────────────────────────────────

    def _input(self) -> Calls[StepInput]:
        work, node = self._work, self._node
        scope = scope_of_work(self._workflow, self._state, work.path)
        return StepInput(
            input=_as_model(scope.schema, scope.input),
            previous_step_content=_copy_of(scope.previous),
            user_input=self._user_input(node),
            signal=_copy_of(signal_at(node, scope)),
            interaction=None if node is None else _copy_of(node.form.interaction),
            widget=None if node is None else _copy_of(node.form.widget),
            rejection_feedback=scope.feedback,
            previous_output=_copy_of(scope.previous_output),
            session=(yield SessionRead()),
            run_id=self._state.run_id,
            user_id=self._state.user_id,
            account=self._state.account,
            namespace=self._state.namespace or home_of(self._state.user_id),
            workflow_data=_copy_of(scope.data or {}),
            tasks=_copy_of(dict(scope.tasks or {})),
            item=_copy_of(scope.item),
            item_index=scope.item_index,
            attempt=max(work.attempt, 1) if work.task == "execute" else 1,
            iteration=scope.iteration,
            max_iterations=scope.max_iterations,
            idempotency_key=self._side_effect_key(node),
            _contents=lambda: _copy_of(newest_contents(self._workflow, self._state)),
            _cancelled=self._around.is_cancelled,
        )

    def _side_effect_key(self, node: NodeState | None) -> str:
        work, run_id = self._work, self._state.run_id
        round_, inputs = (0, 0) if node is None else (node.verdict.round, node.form.inputs)
        machine, _, *inside = work.path if len(work.path) > 2 else (None, None)
        if machine != self._workflow.id or self._workflow.places[str(machine)].node.kind != "Machine":
            return side_effect_key(run_id, work.path, work.visit, round_, inputs)
        stage = str(inside[0])
        state = state_of_step(stage)
        again = f"+{round_}.{inputs}" if round_ or inputs else ""
        path = (work.path[1], state, *inside[1:])
        return side_effect_key_of_logic(run_id, path, "enter" if stage.endswith(ENTER) else "logic", work.visit, again)

    def _user_input(self, node: NodeState | None) -> Any:
        """The values filled in for a step; the code of a container sees those filled in last."""
        looks = node is None or self._work.task != "execute"
        found = newest_filled_in(self._workflow, self._state) if node is None or looks else (self._work.place, node)
        if found is None:
            return None
        place, filled = found
        if filled.form.user_input is None:
            return None
        try:
            return self._filled(place, filled, filled.form.user_input, opens=not looks)
        except Misfit:
            if not looks:
                raise
            # The placeholder of a secret that is gone may not fit the model's type.
            return _copy_of(filled.form.user_input)

    def _filled(self, place: Place | None, node: NodeState, values: JsonObject, *, opens: bool) -> Any:
        """The values that a person filled in: a dict, or an instance of the form's model.

        Args:
            opens: whether to open the secrets among them, which only the step that asked for them may see.

        Raises:
            Misfit: the model doesn't accept it.
        """
        ask = None if place is None else place.node.asks(Ask)
        sealed = node.form.sealed if opens else {}
        secrets = {name: self._opened(node, name, each) for name, each in sealed.items()}
        self._around.secrets.update(str(each) for each in secrets.values())
        return answer_of(None if ask is None else ask.model, _copy_of(values), secrets)

    def _opened(self, node: NodeState, name: str, sealed: str) -> JsonValue:
        if self._around.vault is None:
            raise SecretUnreadable("the server has no key to open a secret with: set INTERLOCK_SECRETS_KEYS")
        facts = {"step_id": node.step_id, "visit": node.visit}
        return self._around.vault.opened(sealed, purpose_of(self._state.run_id, facts, name))


_TASKS: dict[str, Callable[[_Piece], Calls[Any]]] = {
    "execute": _Piece.execution,
    "thread": _Piece.thread_end,
    "input": _Piece.nested_input,
    "condition": _Piece.evaluation,
    "selector": _Piece.evaluation,
    "end_condition": _Piece.evaluation,
    "review": _Piece.judgement,
    "roll": _Piece.roll_call,
}


# ── The border ──────────────────────────────────────────────────────────────────────────────────────────


def _refuse_secrets(pause: AgentPause, secrets: Set[str]) -> None:
    """Check that an agent's pause, all of which is logged, repeats no secret: redacted arguments would be executed.

    Raises:
        OutputError: it repeats one.
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
    """An output without the secrets that its step was given. Its error is cut after the redaction, not before."""
    if not secrets and output.error is None:
        return output
    error = None if output.error is None else legible(str(struck(output.error, secrets)))
    logs = tuple(str(struck(each, secrets)) for each in output.logs)
    return replace(output, content=struck(output.content, secrets), error=error, logs=logs)


def request_of(logic: HttpLogic, roots: Mapping[str, Any], given: StepInput, asker: Asker) -> HttpCall:
    """The request of a state, with everything filled in but the secrets."""

    def filled(value: JsonValue, quote: Callable[[str], str] | None = None) -> Any:
        return templates.expand(value, roots, keep=SECRETS, quote=quote)

    headers: dict[str, JsonValue] = dict(logic.headers)
    return HttpCall(
        method=logic.method,
        url=filled(logic.url, _percent_encoded),
        headers={name: templates.written(value) for name, value in filled(headers).items() if value is not None},
        body=filled(logic.body),
        asker=asker,
        time_limit=logic.timeout,
        idempotency_key=given.idempotency_key,
        integration=logic.integration,
        is_host_data=_has_data(host_part(logic.url)),
    )


def task_of(logic: TaskLogic, roots: Mapping[str, Any], given: StepInput, asker: Asker) -> TaskCall:
    """The task of a step, with everything filled in but the secrets that it takes."""
    keep = SECRETS if logic.takes_secrets else frozenset[str]()
    filled: JsonObject = {}
    for name, value in logic.input.items():
        quote = _percent_encoded if name in logic.encoded else None
        filled[name] = value if name in logic.fixed else templates.expand(value, roots, keep=keep, quote=quote)
    hosts = [host_part(each) for name in logic.encoded if isinstance(each := logic.input.get(name), str)]
    return TaskCall(
        task=logic.task,
        input=_copy_of(filled),
        asker=asker,
        idempotency_key=given.idempotency_key,
        user_id=given.user_id,
        run_id=given.run_id,
        attempt=given.attempt,
        run_input=_as_json(given.input),
        integration=logic.integration,
        time_limit=logic.timeout,
        takes_secrets=logic.takes_secrets,
        is_host_data=any(_has_data(each) for each in hosts),
    )


def _percent_encoded(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _has_data(text: str) -> bool:
    return any(path.partition(".")[0] not in SECRETS for path in templates.paths_in(text))


def _as_json(value: Any) -> Any:
    return from_json(to_json(value)) if isinstance(value, BaseModel) else value


def _as_model(model: type[BaseModel] | None, value: JsonValue) -> Any:
    """A value as code gets it: an instance of its declared model, if there is one."""
    return _copy_of(value) if model is None else read(model, value)


def _kept_in(session: Session) -> JsonObject:
    """The session's state after a step.

    Raises:
        OutputError: it can't be written as JSON.
    """
    state, _ = json_ready(session.state, "what a session keeps")
    assert isinstance(state, dict)
    return state


def _copy_of(value: JsonValue) -> Any:
    """Return a copy for a step to use freely: the state is the fold of the log, which no one else may change."""
    return from_json(to_json(value)) if isinstance(value, dict | list) else value
