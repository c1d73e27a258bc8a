"""An open fence is for hosts that a definition writes: whoever chooses another host gets no secret there."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.calls import call, calling
from tests.support.foreign import foreign, http

from interlock.engine.work.integrations import Authority
from interlock.secrets.fence import Asker, Fence, Secret
from interlock.workflow.activities import HttpCall, LogicError, StepInput, host_part
from interlock.workflow.declare.logic import HttpLogic
from interlock.workflow.run.calls import request_of

VALUE = "a-secret-value"
DATA: dict[str, Any] = {"workflow_data": {"url": "https://evil.example/x", "name": "evil"}}


def made(url: str) -> HttpCall:
    logic = HttpLogic(method="POST", url=url, headers={"X-Key": "${secrets.KEY}"})
    return request_of(logic, DATA, StepInput("x"), Asker("acme"))


@pytest.mark.parametrize(
    "url",
    [
        "${workflow_data.url}",
        "https://${workflow_data.name}/x",
        "https://${workflow_data.name}.example.com/x",
        "https://api.example.com${workflow_data.name}/x",
        "${workflow_data.name}://api.example.com/",
        "https://u:p@${workflow_data.name}:443?x=1",
        "https://u\\@${workflow_data.name}",
    ],
)
def test_host_in_which_data_stands_is_told_from_one_that_the_definition_writes(url: str) -> None:
    assert made(url).is_host_data


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/${workflow_data.name}",
        "https://api.example.com?q=${workflow_data.name}",
        "https://api.example.com#${workflow_data.name}",
        "https://${workflow_data.name}@api.example.com/",
        "https://${secrets.HOST}/${workflow_data.name}",
        "/${workflow_data.name}",
    ],
)
def test_data_elsewhere_in_an_address_does_not_choose_its_host(url: str) -> None:
    assert not made(url).is_host_data


def test_what_is_percent_encoded_cannot_become_part_of_the_host() -> None:
    assert host_part("https://${workflow_data.name}@api.example.com/") == "https://api.example.com"


async def outcome(sent: HttpCall, *hosts: str, authority: Authority | None = None, **others: str) -> str:
    secrets = {"KEY": Secret("KEY", VALUE, Fence(hosts))} | {name: Secret(name, each) for name, each in others.items()}
    async with calling() as calls:
        try:
            await calls.run(sent, secrets, authority=authority)
        except LogicError as error:
            return error.code
    return "sent"


async def test_open_fence_lets_a_secret_only_to_hosts_that_nobody_chose() -> None:
    keyed: dict[str, Any] = {"headers": {"X-Key": "${secrets.KEY}"}}
    async with foreign(http(200, b"{}")) as there:
        address, host = f"http://127.0.0.1:{there.port}", f"127.0.0.1:{there.port}"
        assert await outcome(call(address, **keyed), "*") == "sent"
        by_data = call(address, **keyed, is_host_data=True)
        assert await outcome(by_data, "*") == "secret_not_allowed"
        assert await outcome(by_data, "*", host) == "sent"
        by_secret = call("${secrets.BASE}", **keyed)
        assert await outcome(by_secret, "*", BASE=address) == "secret_not_allowed"
        assert await outcome(by_secret, host, BASE=address) == "sent"
        by_integration, authority = call("/x", **keyed, integration="shop"), Authority(address)
        assert await outcome(by_integration, "*", authority=authority) == "secret_not_allowed"
        assert await outcome(by_integration, host, authority=authority) == "sent"
        assert await outcome(call(f"{address}/x", **keyed, integration="shop"), "*", authority=authority) == "sent"
