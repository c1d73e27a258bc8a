"""An output as events tell it, and as a run keeps it while somebody reviews it.

Source: `docs/protocol.md`, "Run events".
"""

from __future__ import annotations

from typing import Any

from interlock.workflow.declare.io import Content


def completion(output: Content, duration_ms: int) -> dict[str, Any]:
    """The fields of a `StepCompleted` about an output."""
    response = judgement((output.success, output.error))
    if output.stop:
        response["stop"] = True
    return {
        "content": output.content,
        "content_type": output.content_type,
        "step_response": response,
        "duration_ms": duration_ms,
        "logs": list(output.logs) or None,
        "port": output.port,
    }


def judgement(said: tuple[bool, str | None]) -> dict[str, Any]:
    """The wire fields for whether a step calls its output a success, and its error if not."""
    success, error = said
    return {"success": success} if error is None else {"success": success, "error": error}


def kept_of(output: Content) -> dict[str, Any]:
    """What is folded of an output under review, besides its content."""
    kept = {"content_type": output.content_type, "success": output.success, "stop": output.stop}
    more = {"error": output.error, "model": output.model, "port": output.port}
    return kept | {key: value for key, value in more.items() if value is not None}
