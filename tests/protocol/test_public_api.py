"""What `interlock_protocol` promises to keep."""

import interlock_protocol

PUBLIC = [
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
    "ClientConnection",
    "ClientState",
    "Close",
    "CloseCode",
    "Codec",
    "ContinueWorkflow",
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


def test_public_names_are_these() -> None:
    assert interlock_protocol.__all__ == PUBLIC
    assert all(hasattr(interlock_protocol, name) for name in PUBLIC)
