"""Interlock's wire protocol: its messages, its codecs, and both ends of a connection without I/O.

    from interlock_protocol import ClientConnection, StartWorkflow, codec_for

    connection = ClientConnection(codec_for(websocket.subprotocol))

The models of single messages are in `interlock_protocol.messages`, those of requirements and decisions in
`interlock_protocol.requirements`, the server's control messages as dicts in `interlock_protocol.control`.
"""

from interlock_protocol.close_codes import CloseCode, may_reconnect
from interlock_protocol.codec import (
    JSON,
    MSGPACK,
    SUBPROTOCOLS,
    Codec,
    choose_subprotocol,
    codec_for,
    event_body,
    read_body,
)
from interlock_protocol.connection import (
    Action,
    Answer,
    ClientConnection,
    ClientState,
    Close,
    Received,
    ServerConnection,
    ServerState,
)
from interlock_protocol.errors import (
    AuthErrorCode,
    ErrorCode,
    InterlockError,
    ProtocolMisuse,
    ProtocolViolation,
    Refusal,
)
from interlock_protocol.messages import (
    AnyClientMessage,
    Authenticate,
    CancelWorkflow,
    Claim,
    ContinueWorkflow,
    Delegate,
    FollowRuns,
    Ping,
    Reconnect,
    Release,
    RunEvent,
    SendSignal,
    ServerMessage,
    StartWorkflow,
    Unfollow,
    UnfollowRuns,
    UnknownEvent,
    parse_server_message,
)
from interlock_protocol.requirements import (
    EchoedErrorRequirement,
    EchoedRequirement,
    ErrorRequirement,
    StepRequirement,
)
from interlock_protocol.types import PROTOCOL_VERSION, JsonObject, JsonValue, RunStatus

__all__ = [
    "JSON",
    "MSGPACK",
    "PROTOCOL_VERSION",
    "SUBPROTOCOLS",
    "Action",
    "Answer",
    "AnyClientMessage",
    "AuthErrorCode",
    "Authenticate",
    "CancelWorkflow",
    "Claim",
    "ClientConnection",
    "ClientState",
    "Close",
    "CloseCode",
    "Codec",
    "ContinueWorkflow",
    "Delegate",
    "EchoedErrorRequirement",
    "EchoedRequirement",
    "ErrorCode",
    "ErrorRequirement",
    "FollowRuns",
    "InterlockError",
    "JsonObject",
    "JsonValue",
    "Ping",
    "ProtocolMisuse",
    "ProtocolViolation",
    "Received",
    "Reconnect",
    "Refusal",
    "Release",
    "RunEvent",
    "RunStatus",
    "SendSignal",
    "ServerConnection",
    "ServerMessage",
    "ServerState",
    "StartWorkflow",
    "StepRequirement",
    "Unfollow",
    "UnfollowRuns",
    "UnknownEvent",
    "choose_subprotocol",
    "codec_for",
    "event_body",
    "may_reconnect",
    "parse_server_message",
    "read_body",
]
