"""The AsyncAPI 3 document of the socket, made from the models. `interlock_protocol.schema` writes it to a file.

Laws:
- Nothing that can be read from a model is written by hand elsewhere.
- The server is the described application: it `receive`s what clients send.
- Events that the server sends on its own are separate from answers to an action; an `error` may answer any action.

Source: the AsyncAPI specification, version 3.0.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock_protocol.close_codes import CloseCode, may_reconnect
from interlock_protocol.codec import SUBPROTOCOLS
from interlock_protocol.messages import (
    CLIENT_MESSAGES,
    CONTROL_MESSAGES,
    RUN_EVENTS,
    SERVER_MESSAGES,
    Ack,
    AnyClientMessage,
    Authenticate,
    Authenticated,
    AuthError,
    AuthRequired,
    CancelWorkflow,
    CatchUp,
    Claim,
    Connected,
    ContinueWorkflow,
    Delegate,
    Draft,
    ErrorMessage,
    FollowInbox,
    FollowRuns,
    Gap,
    InboxChanged,
    InboxDraft,
    InboxListed,
    InboxPresence,
    Ping,
    Pong,
    Reconnect,
    Release,
    Replay,
    Respond,
    RunChanged,
    RunsListed,
    Seen,
    SendSignal,
    ServerMessage,
    StartWorkflow,
    Subscribed,
    Unfollow,
    UnfollowInbox,
    UnfollowRuns,
    WorkflowRunOutput,
)
from interlock_protocol.types import PROTOCOL_VERSION

CHANNEL = "socket"
ADDRESS = "/workflows/ws"

ABOUT = """Workflows that wait for people, on one WebSocket: a client starts runs and follows them, sees each event in
order, and decides what they wait for. A receiver ignores fields and events it doesn't know."""

_SECURITY = {
    "type": "http",
    "scheme": "bearer",
    "description": "A static token, or a JSON Web Token. It isn't in a header: it is `token` in `authenticate`, the"
    " first message of a connection, which is sent again before the token expires.",
}

ANSWERS: Mapping[type[AnyClientMessage], tuple[type[ServerMessage], ...]] = {
    Authenticate: (Authenticated, AuthError),
    StartWorkflow: (Ack,),
    ContinueWorkflow: (Ack,),
    Reconnect: (Ack, CatchUp, Replay, Gap, WorkflowRunOutput, Subscribed),
    CancelWorkflow: (Ack,),
    SendSignal: (Ack,),
    Claim: (Ack,),
    Release: (Ack,),
    Delegate: (Ack,),
    Unfollow: (Ack,),
    FollowRuns: (Ack, RunChanged, RunsListed),
    UnfollowRuns: (Ack,),
    FollowInbox: (Ack, InboxChanged, InboxListed),
    UnfollowInbox: (Ack,),
    Respond: (Ack,),
    Seen: (Ack,),
    Draft: (Ack,),
    Ping: (Pong,),
}
"""The answers to each action, apart from the events that it causes, and from `error` and `auth_required`, which may
answer any action."""


def asyncapi(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document.

    Args:
        definitions: the `$defs` of `interlock_protocol.schema.json_schema()`.
    """
    models: dict[str, type[Any]] = {**CLIENT_MESSAGES, **SERVER_MESSAGES}
    server = {"host": "127.0.0.1:7777", "protocol": "ws", "security": [_ref("securitySchemes", "token")]}
    unions = ("ClientMessage", "ControlMessage", "RunEvent", "ServerMessage")  # expressed by channels and operations
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Interlock", "version": PROTOCOL_VERSION, "description": ABOUT, "license": _LICENSE},
        "defaultContentType": "application/json",
        "servers": {"local": server},
        "channels": {CHANNEL: _channel(models.values())},
        "operations": _operations(),
        "components": {
            "schemas": {name: _moved(schema) for name, schema in definitions.items() if name not in unions},
            "messages": {model.__name__: _message(name, model) for name, model in models.items()},
            "securitySchemes": {"token": _SECURITY},
        },
    }


_LICENSE = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}


def _channel(models: Iterable[type[Any]]) -> dict[str, Any]:
    offered = {"type": "string", "enum": list(SUBPROTOCOLS), "description": "JSON in text frames where none is offered"}
    return {
        "address": ADDRESS,
        "description": "One connection, for any number of runs.",
        "messages": {model.__name__: _ref("messages", model.__name__) for model in models},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {"type": "object", "properties": {"Sec-WebSocket-Protocol": offered}},
                "bindingVersion": "0.1.0",
            }
        },
        "x-close-codes": [
            {"code": code.value, "name": code.name, "reason": code.reason, "reconnect": may_reconnect(code)}
            for code in CloseCode
        ],
    }


def _operations() -> dict[str, Any]:
    received = {action: _received(model) for action, model in CLIENT_MESSAGES.items()}
    greetings = [model for model in CONTROL_MESSAGES.values() if model in (Connected, AuthRequired)]
    return {
        **received,
        "greet": _sent("The first frame, and what says that a token has run out.", greetings),
        "follow": _sent("The events of every run that is followed.", RUN_EVENTS.values()),
        "list": _sent("The changes of every list of runs that is followed.", [RunChanged]),
        "inbox": _sent("The changes of every inbox that is followed.", [InboxChanged]),
        "drafts": _sent("What this user has half-written on another device.", [InboxDraft]),
        "presence": _sent("Who looks at a question that this connection looks at.", [InboxPresence]),
    }


def _received(model: type[AnyClientMessage]) -> dict[str, Any]:
    answers: tuple[type[ServerMessage], ...] = (*ANSWERS[model], AuthRequired, ErrorMessage)
    return {
        "action": "receive",
        "summary": _summary(model),
        "channel": _channel_ref(),
        "messages": [_in_channel(model)],
        "reply": {"channel": _channel_ref(), "messages": [_in_channel(each) for each in answers]},
    }


def _sent(summary: str, models: Iterable[type[ServerMessage]]) -> dict[str, Any]:
    return {
        "action": "send",
        "summary": summary,
        "channel": _channel_ref(),
        "messages": [_in_channel(model) for model in models],
    }


def _message(name: str, model: type[Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": model.__name__,
        "summary": _summary(model),
        "payload": _ref("schemas", model.__name__),
    }


def _moved(schema: Any) -> Any:
    """Rewrite a schema's references to the place where AsyncAPI keeps schemas."""
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(each) for each in schema] if isinstance(schema, list) else schema


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _channel_ref() -> dict[str, str]:
    return {"$ref": f"#/channels/{CHANNEL}"}


def _in_channel(model: type[Any]) -> dict[str, str]:
    return {"$ref": f"#/channels/{CHANNEL}/messages/{model.__name__}"}


def _summary(model: type[Any]) -> str:
    return " ".join((model.__doc__ or "").split())
