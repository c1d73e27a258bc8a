"""The generated documents: current, complete, and made the same way every time."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.vectors import MESSAGES, ROOT, kind_of, name_of

from interlock_protocol import JSON, ServerConnection, parse_server_message
from interlock_protocol.connection import Action
from interlock_protocol.messages import CLIENT_MESSAGES, RUN_EVENTS, SERVER_MESSAGES, UnknownEvent
from interlock_protocol.requirements import UserInputField
from interlock_protocol.schema import ASYNCAPI, GUIDE, SCHEMA, TYPED, VECTORS, json_schema, main, refreshed, sections

DEFINITIONS: dict[str, Any] = json_schema()["$defs"]
MODELS = {**CLIENT_MESSAGES, **SERVER_MESSAGES}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that the tool keeps."""
    for path in (SCHEMA, ASYNCAPI, GUIDE, TYPED):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / VECTORS, tmp_path / VECTORS)
    return tmp_path


def test_documents_are_current() -> None:
    said: list[str] = []
    assert main(["--check"], say=said.append) == 0, "run: python -m interlock_protocol.schema\n" + "".join(said)


def test_check_names_what_is_stale_and_changes_nothing(checkout: Path) -> None:
    (checkout / SCHEMA).write_text("{}")
    said: list[str] = []
    assert main(["--check", "--root", str(checkout)], say=said.append) == 1
    assert said == [f"not current: {SCHEMA}\n"]
    assert (checkout / SCHEMA).read_text() == "{}"


def test_writing_makes_everything_current(checkout: Path) -> None:
    (checkout / SCHEMA).unlink()
    vectors = checkout / VECTORS / "client.json"
    vectors.write_text(vectors.read_text("utf-8").replace('"json": "', '"json": "stale '), "utf-8")
    guide = checkout / GUIDE
    guide.write_text(guide.read_text("utf-8").replace("stateDiagram-v2", "stale"), "utf-8")
    said: list[str] = []
    assert main(["--root", str(checkout)], say=said.append) == 0
    assert len(said) == 3
    assert main(["--check", "--root", str(checkout)], say=said.append) == 0
    for path in (SCHEMA, GUIDE, VECTORS / "client.json"):
        assert (checkout / path).read_text("utf-8") == (ROOT / path).read_text("utf-8")


def test_markers_and_parts_must_match() -> None:
    text = "<!-- generated: one -->\nold\n<!-- /generated -->\n"
    assert refreshed(text, {"one": "new"}) == "<!-- generated: one -->\nnew\n<!-- /generated -->\n"
    for parts in ({}, {"two": "new"}, {"one": "new", "two": "new"}):
        with pytest.raises(ValueError, match="markers don't match"):
            refreshed(text, parts)
    with pytest.raises(ValueError, match="twice"):
        refreshed(text * 2, {"one": "new"})


def test_every_message_has_a_definition_and_is_in_its_union() -> None:
    for union, models in (
        ("ClientMessage", CLIENT_MESSAGES),
        ("ServerMessage", SERVER_MESSAGES),
        ("RunEvent", RUN_EVENTS),
    ):
        mapping = DEFINITIONS[union]["discriminator"]["mapping"]
        assert mapping == {name: f"#/$defs/{model.__name__}" for name, model in models.items()}
        assert DEFINITIONS[union]["oneOf"] == [{"$ref": ref} for ref in mapping.values()]
        assert all(ref.removeprefix("#/$defs/") in DEFINITIONS for ref in mapping.values())


def test_every_reference_leads_somewhere() -> None:
    refs = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(DEFINITIONS)))
    assert refs <= set(DEFINITIONS)


@pytest.mark.parametrize("vector", [v for v in MESSAGES if v.get("canonical", True)], ids=name_of)
def test_canonical_vectors_have_what_is_required_and_nothing_unknown(vector: dict[str, Any]) -> None:
    message = vector["message"]
    model = MODELS.get(kind_of(message), UnknownEvent)
    if model is UnknownEvent:
        return
    schema = DEFINITIONS[model.__name__]
    assert set(schema["required"]) <= set(message) <= set(schema["properties"])


def test_required_is_what_a_client_must_give_and_a_server_always_writes() -> None:
    assert DEFINITIONS["StartWorkflow"]["required"] == ["action", "workflow_id"]
    assert DEFINITIONS["Pong"]["required"] == ["event"]
    assert "event_index" in DEFINITIONS["StepStarted"]["required"]
    assert "event_index" not in DEFINITIONS["WorkflowRunOutput"]["required"]
    field = DEFINITIONS["UserInputField"]
    written = list(UserInputField(name="x").to_wire())  # what else there may be only where a form has it
    assert field["required"] == written


def test_server_fields_are_null_only_where_null_is_written() -> None:
    nullable = {
        (name, field)
        for name, schema in DEFINITIONS.items()
        if name in {model.__name__ for model in SERVER_MESSAGES.values()} | {"StepRequirement", "UserInputField"}
        for field, prop in schema["properties"].items()
        if {"type": "null"} in prop.get("anyOf", ())
    }
    assert nullable == {("UserInputField", "description"), ("UserInputField", "allowed_values")}


def test_tables_name_every_message() -> None:
    tables = sections()
    for part, models in (("client-messages", CLIENT_MESSAGES), ("run-events", RUN_EVENTS)):
        assert re.findall(r"^\| `([\w-]+)` \|", tables[part], re.MULTILINE) == list(models)


def test_transcript_of_the_guide_is_valid() -> None:
    text = (ROOT / GUIDE).read_text("utf-8")
    lines = re.findall(r"^([→←]) (\{.*\})$", text, re.MULTILINE)
    assert len(lines) > 15
    connection = ServerConnection(JSON, requires_auth=False)
    for arrow, frame in lines:
        message = JSON.decode(frame)
        if arrow == "→":
            assert isinstance(connection.receive(frame), Action), frame
        else:
            assert parse_server_message(message).to_wire() == message


def test_examples_of_the_guide_are_valid() -> None:
    text = (ROOT / GUIDE).read_text("utf-8")
    examples = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert examples
    connection = ServerConnection(JSON, requires_auth=False)
    for example in examples:
        assert isinstance(connection.receive(example), Action), example
