"""Traces: from a client's action to the steps that it set going, as OpenTelemetry's SDK exports them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.support.live import ALICE, Live, continue_with, eventually, live_server

from interlock import Condition, Confirm, Step, StepInput, Workflow
from interlock.telemetry import tracing
from interlock.telemetry.tracing import REMEMBERED, Traces
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow

SAID = "a-message-of-somebody"
TRACE, ANOTHER = "0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319d"


def named(trace_id: str) -> str:
    """The header of a trace, as the W3C has it."""
    return f"00-{trace_id}-b7ad6b7169203331-01"


class Exported:
    """The spans that ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    async def until(self, *names: str) -> dict[str, ReadableSpan]:
        """All spans by name, as soon as these are among them."""

        def all_there() -> dict[str, ReadableSpan] | None:
            found = {each.name: each for each in self._exporter.get_finished_spans()}
            return found if found.keys() >= set(names) else None

        spans: dict[str, ReadableSpan] = await eventually(all_there)
        return spans


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    """What an SDK exports that is in this process for one test."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield Exported(exporter)
    provider.shutdown()


def answer(step_input: StepInput) -> str:
    with trace.get_tracer("of-the-author").start_as_current_span("of a step"):
        return "answered"


def plain_generator(_: StepInput) -> Iterator[str]:
    with trace.get_tracer("of-the-author").start_as_current_span("of a generator"):
        yield "yielded"


def fail(step_input: StepInput) -> str:
    raise ValueError(f"can't do {step_input.input}")


def holds(_: StepInput) -> bool:
    return True


WORKFLOWS = [
    Workflow("asks", steps=[Step("draft", answer), Step("publish", plain_generator, human_review=Confirm("Publish?"))]),
    Workflow("fails", steps=[Condition("whether", holds, steps=[Step("fail", fail)])]),
]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with live_server(WORKFLOWS, data_dir=tmp_path) as server:
        yield server


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return trace.format_trace_id(span.context.trace_id)


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return {name.removeprefix("interlock."): value for name, value in (span.attributes or {}).items()}


# ── A run ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_steps_are_in_the_trace_of_the_action_that_set_them_going(live: Live, exported: Exported) -> None:
    async with live.talk(additional_headers={"traceparent": named(TRACE)}) as talk:
        run_id = await talk.start("asks", SAID)
        output = (await talk.until_pause(run_id))[-1]
        spans = await exported.until("start-workflow", "execute draft", "of a step")
        assert [trace_of(spans[name]) for name in ("start-workflow", "execute draft", "of a step")] == [TRACE] * 3
        start, draft = spans["start-workflow"], spans["execute draft"]
        assert start.kind is SpanKind.SERVER
        assert parent_of(draft) == start.context.span_id
        assert parent_of(spans["of a step"]) == draft.context.span_id
        said = attributes(start)
        assert len(said.pop("connection_id")) == 32
        assert said == {
            "action": "start-workflow",
            "request_id": "start",
            "workflow_id": "asks",
            "run_id": run_id,
        }
        assert attributes(draft) == {
            "run_id": run_id,
            "workflow_id": "asks",
            "task": "execute",
            "step_name": "draft",
            "attempt": 1,
        }

    # The decision comes from elsewhere, in a trace of its own: what follows is in that one.
    async with live.talk(additional_headers={"traceparent": named(ANOTHER)}) as other:
        await other.send(continue_with(output, confirmed=True))
        await other.until_end(run_id)
    spans = await exported.until("continue-workflow", "execute publish", "of a generator")
    assert [trace_of(spans[name]) for name in ("continue-workflow", "execute publish", "of a generator")] == [
        ANOTHER
    ] * 3
    assert parent_of(spans["of a generator"]) == spans["execute publish"].context.span_id


async def test_request_over_http_goes_on_in_the_trace_of_its_header(live: Live, exported: Exported) -> None:
    headers = {"Authorization": f"Bearer {ALICE}", "traceparent": named(TRACE)}
    async with httpx.AsyncClient(base_url=live.http_url, headers=headers) as client:
        started = await client.post("/workflows/asks/runs", json={"message": SAID, "stream": False})
        run_id = started.json()["run_id"]
        await client.post(f"/workflows/asks/runs/{run_id}/cancel", json={})
    spans = await exported.until("start-workflow", "execute draft", "cancel-workflow")
    assert {trace_of(spans[name]) for name in ("start-workflow", "execute draft", "cancel-workflow")} == {TRACE}


async def test_nothing_that_somebody_said_is_in_a_span(live: Live, exported: Exported) -> None:
    async with live.talk() as talk:
        await talk.until_end(await talk.start("fails", SAID))
        await talk.send(action="start-workflow", workflow_id="missing", message=SAID, request_id="refused")
        await talk.until("error")
    spans = await exported.until("execute fail", "condition whether", "authenticate")
    failed = spans["execute fail"]
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "ValueError")
    assert attributes(failed)["error.type"] == "ValueError"
    assert "attempt" not in attributes(spans["condition whether"])
    text = "".join(each.to_json() for each in exported._exporter.get_finished_spans())
    assert SAID not in text
    assert ALICE not in text


async def test_refusal_is_told_by_its_code_and_is_an_error_only_if_the_server_is_at_fault(exported: Exported) -> None:
    message = CancelWorkflow(workflow_id="w", run_id="run-1")
    for code in (ErrorCode.CONFLICT, ErrorCode.UNAVAILABLE):
        with pytest.raises(Refusal), tracing.action(message):
            raise Refusal(code, SAID)
    with pytest.raises(KeyError), tracing.action(message):
        raise KeyError(SAID)
    ended = exported._exporter.get_finished_spans()
    assert [attributes(each).get("error_code") for each in ended] == ["conflict", "unavailable", None]
    assert [each.status.status_code for each in ended] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.ERROR]


async def test_trace_of_the_application_s_own_instrumentation_counts_more(exported: Exported) -> None:
    async def request() -> str:
        tracing.adopt([(b"traceparent", named(ANOTHER).encode())])
        return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)

    with trace.get_tracer("of-the-application").start_as_current_span("request") as span:
        assert await asyncio.create_task(request()) == trace.format_trace_id(span.get_span_context().trace_id)
    assert await asyncio.create_task(request()) == ANOTHER


def test_remembered_traces_are_bounded(exported: Exported) -> None:
    traces = Traces()
    for number in range(REMEMBERED + 10):
        traces.remember(f"run-{number}")
    assert len(traces._contexts) == REMEMBERED


# ── No SDK ──────────────────────────────────────────────────────────────────────────────────────────────


def test_without_an_sdk_nothing_is_made() -> None:
    assert not tracing.is_on()
    traces = Traces()
    traces.remember("run-1")
    assert not traces._contexts
    message = CancelWorkflow(workflow_id="w", run_id="run-1")
    assert tracing.action(message) is traces.step("run-1", "w", "execute", "draft", 1)
