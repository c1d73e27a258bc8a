"""The page about `/api/v1`: its tables are complete."""

from __future__ import annotations

from tests.docs.reading import read, table, ticked

from interlock.http.v1.app import whole
from interlock.http.v1.errors import STATUS_OF
from interlock.workflow.run.history import KINDS

PAGE = "docs/api-v1.md"


def test_page_lists_every_route() -> None:
    rows = {ticked(request)[0] for request, *_ in table(read(PAGE), "request")}
    assert rows == {f"{method.upper()} {path}" for path, item in whole()["paths"].items() for method in item}


def test_page_lists_every_code_with_its_status() -> None:
    rows = {ticked(code)[0]: int(status) for code, status, _ in table(read(PAGE), "code")}
    assert rows == {code.value: status for code, status in STATUS_OF.items()}


def test_page_lists_the_types_of_a_history() -> None:
    assert {ticked(name)[0] for name, _ in table(read(PAGE), "type")} == set(KINDS)


def test_page_lists_the_parameters_of_a_history() -> None:
    operation = whole()["paths"]["/workflows/instances/{instance_id}/history"]["get"]
    named = {name for names, _ in table(read(PAGE), "parameter") for name in ticked(names)}
    assert named == {each["name"] for each in operation["parameters"] if each["in"] == "query"}
