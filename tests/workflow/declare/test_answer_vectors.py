"""What clients say of an answer before they send it is what the server says: the vectors that both are held against."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.protocol.vectors import load

from interlock.workflow.declare.presentations import WrongInput, checked

VECTORS = load("answers")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda each: f"{each['name']}: {json.dumps(each['given'])[:40]}")
def test_an_answer_has_the_faults_of_its_vector(vector: dict[str, Any]) -> None:
    faults: list[Any] = []
    try:
        checked(vector["presentation"], vector["given"])
    except WrongInput as wrong:
        faults = list(wrong.faults)
    assert faults == vector["faults"]
