"""The bodies of requests: JSON objects of bounded size, read into models.

Laws:
- A body is read only for a caller who is known and may ask for this, up to its limit and no further.
- What a model refuses is answered with each wrong field, in the words of the protocol's messages.
- Null for a field that has no null means that the field isn't given.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from interlock.http.bodies import FORMS, fields_of
from interlock.http.shapes import json_of
from interlock.http.v1.errors import ApiError, Code
from interlock_protocol.faults import field_faults
from interlock_protocol.limits import KIB, MAX_VALUES, MIB

B = TypeVar("B", bound=BaseModel)

MAX_INPUT_BYTES: Final = 64 * KIB
"""The largest `input` of a creation or a resume."""

MAX_DEFINITION_BYTES: Final = MIB
"""The largest definition."""

MAX_DEFINITION_VALUES: Final = 200_000
"""How many values it may contain, at all depths together."""

_AROUND: Final = 4 * KIB
"""What a body with an input may have besides it."""


async def read_object(request: Request, limit: int, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """Read a JSON object of at most `limit` bytes; an empty body is an empty object.

    Raises:
        ApiError: it is a form; Refusal: it isn't JSON, or not an object, or too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in FORMS:
        raise ApiError(Code.INVALID_REQUEST, "Send JSON, with the header `Content-Type: application/json`.")
    return await fields_of(request, limit, max_values)


def check_has_body(request: Request) -> None:
    """Check that a request has a body at all.

    Raises:
        ApiError: `invalid_request`.
    """
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise invalid([{"field": "", "error": "is required"}])


async def read_body(request: Request, model: type[B], limit: int = MAX_INPUT_BYTES + _AROUND) -> B:
    """Read a body as a model.

    Raises:
        ApiError, Refusal: the body isn't right, or too large.
    """
    fields = await read_object(request, limit)
    try:
        return model.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise invalid(field_faults(error)) from None


def too_large(limit: int) -> ApiError:
    """The answer to a body over its limit."""
    return ApiError(Code.PAYLOAD_TOO_LARGE, f"This is too large: at most {limit} bytes are taken.", {"limit": limit})


def invalid(faults: list[dict[str, str]]) -> ApiError:
    """The answer to wrong fields."""
    named = f"{faults[0]['field'] or 'The body'} {faults[0]['error']}" if len(faults) == 1 else "see `details`"
    return ApiError(Code.INVALID_REQUEST, f"The request isn't right: {named}.", faults)


def body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """What the OpenAPI document says of a route's body."""
    return {"requestBody": {"required": required, "content": json_of(model.__name__)}}
