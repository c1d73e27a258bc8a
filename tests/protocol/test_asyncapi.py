"""The AsyncAPI document: every message, both directions, and nothing that leads nowhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.protocol.vectors import MESSAGES, kind_of, name_of

from interlock_protocol.asyncapi import ADDRESS, ANSWERS, asyncapi
from interlock_protocol.close_codes import CloseCode, may_reconnect
from interlock_protocol.codec import SUBPROTOCOLS
from interlock_protocol.messages import CLIENT_MESSAGES, RUN_EVENTS, SERVER_MESSAGES, UnknownEvent
from interlock_protocol.schema import json_schema

SCHEMA = json_schema()
MADE: dict[str, Any] = asyncapi(SCHEMA["$defs"])
(CHANNEL,) = MADE["channels"].values()
MODELS = {**CLIENT_MESSAGES, **SERVER_MESSAGES}


def at(reference: str) -> Any:
    """What a reference leads to, through others."""
    found: Any = MADE
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return at(found["$ref"]) if set(found) == {"$ref"} else found


def messages_of(operation: dict[str, Any]) -> set[str]:
    return {at(each["$ref"])["name"] for each in operation["messages"]}


def test_document_is_of_version_3_and_has_its_parts() -> None:
    assert MADE["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(MADE["info"])
    assert set(MADE) == {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"}
    assert all({"host", "protocol"} <= set(server) for server in MADE["servers"].values())
    assert CHANNEL["address"] == ADDRESS


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(MADE)))
    assert len(references) > 100
    for reference in references:
        assert at(reference) is not None


def test_channel_carries_every_message() -> None:
    named = {at(each["$ref"])["name"] for each in CHANNEL["messages"].values()}
    assert named == set(MODELS)


@pytest.mark.parametrize("name", CLIENT_MESSAGES)
def test_server_receives_every_action_and_answers_it(name: str) -> None:
    operation = MADE["operations"][name]
    assert operation["action"] == "receive"
    assert messages_of(operation) == {name}
    assert {"error", "auth_required"} < messages_of(operation["reply"])


def test_every_message_of_the_server_is_sent_or_answers() -> None:
    sent = {name for each in MADE["operations"].values() if each["action"] == "send" for name in messages_of(each)}
    answered = {name for each in MADE["operations"].values() if "reply" in each for name in messages_of(each["reply"])}
    assert set(RUN_EVENTS) <= sent
    assert sent | answered == set(SERVER_MESSAGES)
    assert set(ANSWERS) == set(CLIENT_MESSAGES.values())


def test_operations_use_messages_of_their_channel() -> None:
    for operation in MADE["operations"].values():
        for part in (operation, operation.get("reply", operation)):
            assert at(part["channel"]["$ref"]) is CHANNEL
            assert all(each["$ref"].startswith("#/channels/socket/messages/") for each in part["messages"])


def test_payloads_are_the_schemas_of_the_protocol() -> None:
    text = json.dumps({name: MADE["components"]["schemas"][name] for name in MADE["components"]["schemas"]})
    schemas = json.loads(text.replace("#/components/schemas/", "#/$defs/"))
    for name, schema in schemas.items():
        assert schema == SCHEMA["$defs"][name]


@pytest.mark.parametrize("vector", [v for v in MESSAGES if v.get("canonical", True)], ids=name_of)
def test_golden_messages_are_in_the_document(vector: dict[str, Any]) -> None:
    message = vector["message"]
    model = MODELS.get(kind_of(message), UnknownEvent)
    if model is not UnknownEvent:
        payload = at(MADE["components"]["messages"][model.__name__]["payload"]["$ref"])
        assert set(payload["required"]) <= set(message) <= set(payload["properties"])


def test_security_close_codes_and_subprotocols_are_told() -> None:
    (server,) = MADE["servers"].values()
    assert [at(each["$ref"])["type"] for each in server["security"]] == ["http"]
    told = [(each["code"], each["reconnect"]) for each in CHANNEL["x-close-codes"]]
    assert told == [(code.value, may_reconnect(code)) for code in CloseCode]
    headers = CHANNEL["bindings"]["ws"]["headers"]["properties"]
    assert headers["Sec-WebSocket-Protocol"]["enum"] == list(SUBPROTOCOLS)
