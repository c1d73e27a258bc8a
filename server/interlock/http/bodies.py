"""Requests over HTTP, converted to the equivalent messages of the socket.

Laws:
- The fields are the same, validated as strictly, with the same faults; the body may not contradict the path.
- A body is read up to the size of a message and no further, and only if the client sent a token or may still send one
  in it: without one, up to the size of a message before authentication.
- Text fields are text in a form; requirements are JSON in it.

Source: `docs/http.md`, "Requests".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from interlock.auth import Principal
from interlock.http.callers import authenticated, bearer
from interlock.http.errors import Unauthorized, about
from interlock.services import Services
from interlock_protocol.codec import JSON, check_values
from interlock_protocol.connection import validated
from interlock_protocol.errors import AuthErrorCode, ErrorCode, Refusal
from interlock_protocol.limits import MAX_CLIENT_DEPTH, MAX_UNAUTHENTICATED_BYTES, MAX_VALUES
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.values import SURROGATE, is_text

M = TypeVar("M", StartWorkflow, ContinueWorkflow, CancelWorkflow)

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
JSON_FIELDS = ("step_requirements", "error_requirements")
"""The fields that a form carries as a JSON string."""

MAX_FIELDS = 100
"""How many fields a form may have; no message has that many."""

_UNKNOWN = " without the header `Authorization`"

KEY_HEADER = "Idempotency-Key"
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Asked(Generic[M]):
    """A request: its sender, its message, and whether to stream the results."""

    principal: Principal
    message: M
    stream: bool


async def asked(request: Request, services: Services, limit: int, model: type[M], **path: str) -> Asked[M]:
    """Read a request, if its sender may request something now.

    Args:
        limit: the largest body, in bytes.
        path: fields of the message that are in the path.

    Raises:
        Unauthorized: there is no token, or it isn't accepted.
        Refusal, RefusedRequest: `message_too_large`, `invalid_json`, `invalid_message` or `rate_limited`.
    """
    authenticator = services.authenticator
    token = bearer(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if token is None and kind not in FORMS:
        raise Unauthorized(AuthErrorCode.AUTH_REQUIRED, "Send the header `Authorization: Bearer TOKEN`.")
    principal = None if token is None else await authenticated(authenticator, token)
    known, most = ("", limit) if principal is not None else (_UNKNOWN, min(limit, MAX_UNAUTHENTICATED_BYTES))
    fields = await _fields(_bounded(request, most, known), kind)
    form_token = fields.pop("token", None) if kind in FORMS else None
    if principal is None:
        if not form_token:
            sentence = "Send the header `Authorization: Bearer TOKEN`, or the form field `token`."
            raise Unauthorized(AuthErrorCode.AUTH_REQUIRED, sentence)
        principal = await authenticated(authenticator, form_token)
    with about(fields.get("request_id")):
        await services.rate_limits.admit(principal.person)
        stream = _flag(fields.pop("stream", None), in_form=kind in FORMS)
        said = {"action": model.model_fields["action"].default, **path}
        message = validated(model, _agreeing(fields, request.headers.get(KEY_HEADER), said))
    assert isinstance(message, model)
    return Asked(principal, message, stream)


async def fields_of(
    request: Request, limit: int, max_values: int = MAX_VALUES, *, is_strict: bool = False
) -> dict[str, Any]:
    """Return the fields of a JSON body or a form of at most `limit` bytes; raise the refusals of `asked`.

    Args:
        is_strict: refuse a form that has a field twice, of which the last counts else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return await _fields(_bounded(request, limit, ""), kind, max_values, is_strict=is_strict)


def _bounded(request: Request, limit: int, of_whom: str) -> Request:
    """The request, with a body that ends in a refusal if it is too large."""
    sentence = f"the body is too large; at most {limit} bytes are accepted{of_whom}"
    refusal = Refusal(ErrorCode.MESSAGE_TOO_LARGE, sentence)
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > limit:
        raise refusal
    return Request(request.scope, _counted(request.receive, limit, refusal))


def _counted(receive: Receive, limit: int, refusal: Refusal) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise refusal
        return message

    return counted


async def _fields(
    request: Request, kind: str, max_values: int = MAX_VALUES, *, is_strict: bool = False
) -> dict[str, Any]:
    """The fields of a body, decoded as by the socket's codec."""
    if kind in FORMS:
        return await _form(request, is_strict=is_strict)
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise Refusal(ErrorCode.INVALID_MESSAGE, f"send JSON (application/json) or a form ({' or '.join(FORMS)})")
    body = await request.body()
    try:
        return JSON.decode(body.decode() or "{}", max_depth=MAX_CLIENT_DEPTH, max_values=max_values)
    except UnicodeDecodeError:
        raise Refusal(ErrorCode.INVALID_JSON, "this isn't JSON: it isn't UTF-8") from None
    except Refusal as refusal:
        if refusal.code is not ErrorCode.INVALID_MESSAGE:
            raise
        # The codec's sentence is about a socket's messages.
        raise Refusal(ErrorCode.INVALID_MESSAGE, "the body must be a JSON object, such as {}") from None


async def _form(request: Request, *, is_strict: bool) -> dict[str, Any]:
    body = await request.body()
    if body.lstrip().startswith(b"{"):
        sentence = "this is JSON, sent as a form; send the header `Content-Type: application/json`"
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence)
    _check_form(request.headers["content-type"], body)
    try:
        async with request.form(max_files=0, max_fields=MAX_FIELDS, max_part_size=len(body)) as form:
            fields: dict[str, Any] = dict(form)
            if is_strict and len(form.multi_items()) > len(fields):
                raise Refusal(ErrorCode.INVALID_MESSAGE, "this form has a field twice; send each once")
    except HTTPException as error:
        raise Refusal(ErrorCode.INVALID_MESSAGE, f"this form can't be read: {error.detail}") from None
    if not all(is_text(text) for field in fields.items() for text in field):  # the sender chooses its charset
        raise Refusal(ErrorCode.INVALID_JSON, f"this form can't be read: {SURROGATE}")
    # A field that was left blank counts as not given; but an empty message is a message.
    fields = {name: value for name, value in fields.items() if value != "" or name == "message"}
    for name in JSON_FIELDS:
        if name in fields:
            fields[name] = _json(name, fields[name])
    return fields


def _check_form(content_type: str, body: bytes) -> None:
    """Check, before a form is parsed, that this is cheap: some encodings take the square of a text's length."""
    kind, options = parse_options_header(content_type)
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise Refusal(ErrorCode.INVALID_MESSAGE, "this form can't be read: send it in UTF-8, or without a charset")
    if kind == FORMS[0].encode() and body.count(b"&") >= MAX_FIELDS:
        raise Refusal(ErrorCode.INVALID_MESSAGE, f"this form can't be read: it has more than {MAX_FIELDS} fields")


def _json(name: str, text: str) -> Any:
    check_values(text, MAX_VALUES)
    try:
        # Decoded and encoded again, because the codec knows what the wire can carry, and how deeply nested.
        whole = {name: from_json(text, allow_inf_nan=False)}
        return JSON.decode(str(JSON.encode(whole)), max_depth=MAX_CLIENT_DEPTH)[name]
    except (ValueError, TypeError) as error:
        raise Refusal(ErrorCode.INVALID_JSON, f"`{name}` isn't JSON: {error}") from None


def _flag(value: Any, *, in_form: bool) -> bool:
    if value is None or isinstance(value, bool):
        return value is not False
    if not in_form or not isinstance(value, str) or value.lower() not in _TRUTH:
        raise _invalid("stream", "must be true or false")
    return _TRUTH[value.lower()]


def _agreeing(fields: dict[str, Any], key: str | None, said: dict[str, str]) -> dict[str, Any]:
    """Add the fields from the path and the headers, which the body may only repeat."""
    if key is not None:
        said = {**said, "idempotency_key": key}
    for name, value in said.items():
        if fields.get(name) not in (None, value):
            raise _invalid(name, "must be what the path and the headers say, or left out")
    return {**fields, **said}


def _invalid(field: str, error: str) -> Refusal:
    return Refusal(ErrorCode.INVALID_MESSAGE, f"{field} {error}", details=[{"field": field, "error": error}])
