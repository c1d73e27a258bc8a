"""OpenTelemetry traces, from a client's action to the steps that it triggers.

Laws:
- Without an SDK in the process nothing is traced, at almost no cost.
- A span says what was done, where and for how long; never what somebody wrote. Errors appear as a code or a type.
- A step belongs to the trace of the last action that its run got on this node: its start, or a decision. What a run
  calls by HTTP is told that action's trace, and the id of its request, whether or not anything is recorded here.

Source: `docs/operations.md`, "Traces".
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from opentelemetry import context, propagate, trace
from opentelemetry.trace import (
    NoOpTracerProvider,
    ProxyTracerProvider,
    Span,
    SpanKind,
    StatusCode,
    Tracer,
    TracerProvider,
)

from interlock_protocol.errors import ErrorCode, Refusal

REMEMBERED: Final = 4096
"""For how many runs the trace is remembered."""

_OFF: Final = (ProxyTracerProvider, NoOpTracerProvider)
_NOTHING: Final = nullcontext()
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_CAUSE: Final[ContextVar[Mapping[str, str] | None]] = ContextVar("cause", default=None)
"""The headers that tell of the request that is handled now."""

T = TypeVar("T")
_FAULTS: Final = frozenset({ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE})


def is_on() -> bool:
    """Return True if this process has an SDK that records spans."""
    return not isinstance(trace.get_tracer_provider(), _OFF)


def _tracer() -> Tracer:
    return _tracer_of(trace.get_tracer_provider())


@functools.lru_cache(maxsize=1)
def _tracer_of(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("interlock")


def adopt(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Continue, in this task, the trace that a request's headers name (`traceparent`).

    If a trace is already active, because the application is instrumented, that one is kept.
    """
    if not is_on() or trace.get_current_span().get_span_context().is_valid:
        return
    fields = propagate.get_global_textmap().fields
    carrier = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    context.attach(propagate.extract({name: carrier[name] for name in fields if name in carrier}))


def action(message: Any, connection_id: str | None = None) -> AbstractContextManager[None]:
    """The span of a client's action; use it as a `with` block around the action."""
    return _action(message, connection_id) if is_on() else _NOTHING


@contextmanager
def _action(message: Any, connection_id: str | None) -> Iterator[None]:
    fields = {name: getattr(message, name, None) for name in ("action", "request_id", "workflow_id", "run_id")}
    attributes = _attributes({**fields, "connection_id": connection_id})
    with _span(message.action, SpanKind.SERVER, attributes) as span:
        try:
            yield
        except Refusal as refusal:
            span.set_attribute("interlock.error_code", refusal.code.value)
            if refusal.code in _FAULTS:
                span.set_status(StatusCode.ERROR, refusal.code.value)
            raise
        except Exception as error:
            _failed(span, error)
            raise


@contextmanager
def caused_by(request_id: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """Handle a request, of which the runs that it starts or resumes tell those that they call."""
    cause = {"X-Request-Id": request_id}
    traceparent = next((value.decode("latin-1") for name, value in headers if name.lower() == b"traceparent"), None)
    if traceparent is not None and _TRACEPARENT.fullmatch(traceparent):
        cause["traceparent"] = traceparent
    token = _CAUSE.set(cause)
    try:
        yield
    finally:
        _CAUSE.reset(token)


class Traces:
    """The traces of runs."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[str, context.Context] = OrderedDict()
        self._causes: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def headers(self, run_id: str) -> Mapping[str, str]:
        """The headers with which a run's calls tell what caused them."""
        headers = dict(self._causes.get(run_id, {}))
        if is_on():
            propagate.inject(headers)
        return headers

    def remember(self, run_id: str) -> None:
        """Put this run's work from now on into the trace of the current action."""
        cause = _CAUSE.get()
        if cause is not None:
            _keep(self._causes, run_id, cause)
        if not is_on():
            return
        span = trace.get_current_span()
        span.set_attribute("interlock.run_id", run_id)
        _keep(self._contexts, run_id, trace.set_span_in_context(span, context.Context()))

    def step(self, run_id: str, workflow_id: str, task: str, name: str, attempt: int) -> AbstractContextManager[None]:
        """The span of a piece of a run's work, as a `with` block; it is the current span in the step's own code.

        Args:
            task: `execute`, or what is evaluated: `condition`, `end_condition`, `selector`, `review`.
        """
        if not is_on():
            return _NOTHING
        attributes: dict[str, str | int] = {
            "run_id": run_id,
            "workflow_id": workflow_id,
            "task": task,
            "step_name": name,
        }
        if task == "execute":
            attributes["attempt"] = max(attempt, 1)
        return self._step(f"{task} {name}", self._contexts.get(run_id), _attributes(attributes))

    @contextmanager
    def _step(self, name: str, parent: context.Context | None, attributes: Mapping[str, Any]) -> Iterator[None]:
        with _span(name, SpanKind.INTERNAL, attributes, parent or context.Context()) as span:
            try:
                yield
            except BaseException as error:
                _failed(span, error)
                raise


def _keep(kept: OrderedDict[str, T], run_id: str, value: T) -> None:
    """Keep a value for a run, and forget that of the run that was told longest ago."""
    kept[run_id] = value
    kept.move_to_end(run_id)
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _span(
    name: str, kind: SpanKind, attributes: Mapping[str, Any], parent: context.Context | None = None
) -> AbstractContextManager[Span]:
    """Start a current span that doesn't record exceptions itself, because their text may quote a user's message."""
    return _tracer().start_as_current_span(
        name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
    )


def _failed(span: Span, error: BaseException) -> None:
    kind = type(error).__qualname__
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR, kind)


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"interlock.{name}": value for name, value in values.items() if value is not None}
