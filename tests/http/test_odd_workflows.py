"""One odd workflow breaks nothing for the others, and odd text in a form is refused before it is anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict
from pydantic_core import core_schema
from tests.support.live import ALICE, Live, live_server

from interlock import Step, Workflow


class Unlimited(BaseModel):
    """Has a default that JSON can't carry."""

    most: float = math.inf
    held: Any = {"deep": [math.nan]}


class Calls(BaseModel):
    """Has a type that no schema describes."""

    call: Callable[[int], int] | None = None


class Own:
    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> core_schema.CoreSchema:
        return core_schema.any_schema()

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> Any:
        raise RuntimeError("not today")


class Hooked(BaseModel):
    """Its schema is made by code that fails."""

    own: Own


class Odd(BaseModel):
    """Its schema has what isn't JSON."""

    model_config = ConfigDict(json_schema_extra={"examples": [math.nan]})
    x: int = 1


MODELS = (Unlimited, Calls, Hooked, Odd)
workflows = [
    *(Workflow(model.__name__, steps=[Step("s", lambda _: "done")], input_schema=model) for model in MODELS),
    Workflow("plain", steps=[Step("s", lambda given: given.input)]),
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("odd")) as server:
        yield server


def as_alice(server: Live) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.http_url, headers={"Authorization": f"Bearer {ALICE}"})


async def test_odd_workflows_are_listed_with_the_others(odd: Live) -> None:
    async with as_alice(odd) as http:
        listed = (await http.get("/workflows")).json()["workflows"]
    schemas = {each["id"]: each["input_schema"] for each in listed}
    assert list(schemas) == [workflow.id for workflow in workflows]
    assert "default" not in schemas["Unlimited"]["properties"]["most"]
    assert schemas["Calls"] == schemas["Hooked"] == schemas["Odd"] == schemas["plain"] == {}


async def test_input_whose_default_cannot_be_kept_is_refused_with_its_field(odd: Live) -> None:
    async with as_alice(odd) as http:
        refused = await http.post("/workflows/Unlimited/runs", json={"message": {"held": 1}, "stream": False})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_message")
        assert refused.json()["details"][0]["field"] == "message.most"
        accepted = await http.post(
            "/workflows/Unlimited/runs", json={"message": {"most": 2, "held": 1}, "stream": False}
        )
        assert accepted.json()["status"] == "COMPLETED"


@pytest.mark.parametrize("text", [rb"\ud800", rb"a\udfffb"])
async def test_form_in_a_charset_that_has_half_characters_is_refused(odd: Live, text: bytes) -> None:
    """A charset of a form is its sender's to name, and some decode to what no Unicode is."""
    part = b'--x\r\nContent-Disposition: form-data; name="message"\r\n\r\n' + text + b"\r\n--x--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x; charset=unicode_escape"}
    async with as_alice(odd) as http:
        refused = await http.post("/workflows/plain/runs", content=part, headers=kind)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_message")
