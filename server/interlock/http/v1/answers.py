"""The answers of the routes: how they are sent, and what the OpenAPI document says of them.

Laws:
- A model describes each answer, and is what a test holds real answers against; answers are written as they are.
- Every refusal is the one `Error`; a route lists its possible codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import Response
from pydantic import BaseModel, create_model
from pydantic_core import to_json

from interlock.http.shapes import Answers, json_of
from interlock.http.v1.errors import STATUS_OF, Code
from interlock_protocol.types import JsonValue


class ErrorBody(BaseModel):
    """What went wrong. `message` says what to do; `request_id` is that of the header `X-Request-Id`."""

    code: Code
    message: str
    details: JsonValue
    request_id: str


class ErrorAnswer(BaseModel):
    """A refused or failed request."""

    error: ErrorBody


COMMON: Final = (
    Code.INVALID_REQUEST,
    Code.UNAUTHORIZED,
    Code.FORBIDDEN,
    Code.RATE_LIMITED,
    Code.INTERNAL_ERROR,
    Code.UNAVAILABLE,
)
"""The possible errors of any request."""

BODY: Final = (Code.PAYLOAD_TOO_LARGE,)
"""The possible errors of a request with a body, besides."""


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer with this data."""
    return Response(body_of(data), status, headers, media_type="application/json")


def body_of(data: Any) -> bytes:
    """The body of an answer with this data."""
    return to_json({"data": data})


def answers(model: type[BaseModel], *codes: Code, status: int = 200) -> Answers:
    """What a route answers: an object of this model, or one of these errors, or one that any request may get."""
    about = " ".join((model.__doc__ or "").split())
    return {status: {"model": _enveloped(model), "description": about}, **failures(*COMMON, *codes)}


def failures(*codes: Code) -> Answers:
    """The answers that are errors, by status."""
    by_status: dict[int, list[Code]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(STATUS_OF[code], []).append(code)
    return {
        status: {"description": " or ".join(f"`{code}`" for code in found), "content": json_of("ErrorAnswer")}
        for status, found in sorted(by_status.items())
    }


def _enveloped(model: type[BaseModel]) -> type[BaseModel]:
    made: type[BaseModel] = create_model(f"{model.__name__}Answer", __doc__=model.__doc__, data=(model, ...))
    return made
