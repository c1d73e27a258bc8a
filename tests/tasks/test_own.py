"""Types of one's own: how they are declared, what they are given, and what becomes of what they do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field
from tests.support.foreign import foreign, http
from tests.support.foreign import json as json_answer
from tests.tasks.running import TOKEN, service, tasks

from interlock import DeclarationError, TaskContext, TaskFailed, task
from interlock.secrets.fence import Fence, Secret
from interlock.tasks.own import forget
from interlock.tasks.registry import task_types
from interlock_protocol.types import JsonObject

KEY = "s3cret/key+of=8"


class Order(BaseModel):
    """What is ordered."""

    name: str = Field(title="Name", min_length=2)
    count: int = 1


class Priced(BaseModel):
    total: float
    where: str


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = {*task_types()}
    yield
    for name in {*task_types()} - before:
        forget(name)


async def test_a_function_becomes_a_type_and_stays_a_function() -> None:
    @task("price", title="Price it", icon="coins")
    def price(inputs: Order) -> Priced:
        """Say what an order costs.

        More about it.
        """
        return Priced(total=inputs.count * 2.5, where=threading.current_thread().name)

    assert price(Order(name="tea", count=2)).total == 5
    type_ = task_types()["price"]
    told = type_.described()
    assert (told["title"], told["description"], told["category"]) == ("Price it", "Say what an order costs.", "own")
    assert (told["kind"], told["provider"], told["needs_integration"]) == ("call", None, False)
    assert type_.input_schema["required"] == ["name"]
    assert type_.output_schema["required"] == ["total", "where"]
    async with tasks() as running:
        value = await running.value("price", {"name": "${input.what}", "count": "${input.n}"}, {"what": "tea", "n": 4})
        assert value == {"total": 10.0, "where": "interlock-step"}  # a plain function has a thread
        gone = await running.value("price", {"name": "${input.what}", "count": "${input.n}"}, {"what": "tea"})
        assert gone["total"] == 2.5  # nothing came of the template: the default counts
        wrong = await running.failure("price", {"name": "${input.what}"}, {"what": "x"})
    assert (wrong.code, wrong.may_retry) == ("invalid_input", False)
    assert "name: String should have at least 2 characters" in str(wrong)


async def test_a_task_is_told_whose_it_is_and_asks_with_a_key_for_each_of_its_writes() -> None:
    @task("ship", provider="acme")
    async def ship(inputs: Order, context: TaskContext) -> JsonObject:
        context.log(f"attempt {context.attempt}")
        await context.request("GET", "/stock")
        for path in ("/parcels", "/labels"):
            await context.request("POST", path, body={"name": inputs.name}, secrets={"X-Key": "KEY"})
        return {
            "facts": [context.user_id, context.account, context.namespace, context.session_id, context.integration],
            "key": context.idempotency_key,
            "input": context.input,
        }

    secret = Secret("KEY", KEY, Fence(hosts=("127.0.0.1",)))
    async with foreign(json_answer("{}")) as server:
        acme = service("acme-1", "acme", f"http://127.0.0.1:{server.port}/v2")
        async with tasks(acme, secrets=[secret]) as running:
            given: Any = {"name": "${input.what}"}
            returned = await running.run("ship", given, {"what": "${secrets.KEY}"}, integration="acme-1", attempt=2)
            missing = await running.failure("ship", given)
        stock, parcels, labels = server.received
    assert returned.value == {
        "facts": ["ada", "default", "user_ada", "run-1", "acme-1"],
        "key": "run-1:A:1",
        "input": {"what": "${secrets.KEY}"},
    }
    assert returned.logs == ("attempt 2",)
    assert "idempotency-key" not in stock.headers
    assert parcels.headers["idempotency-key"] == "run-1:A:1"
    assert labels.headers["idempotency-key"] == "run-1:A:1:2"
    assert labels.target == "/v2/labels"
    assert labels.headers["authorization"] == f"Bearer {TOKEN}"
    assert labels.headers["x-key"] == KEY
    assert labels.body == b'{"name":"${secrets.KEY}"}'
    assert missing.code == "integration_missing"


async def test_what_a_task_raises_is_tried_again_unless_it_says_that_it_failed() -> None:
    @task("fails")
    async def fails(inputs: Order, context: TaskContext) -> None:
        context.log("on the way")
        if inputs.name == "sold out":
            raise TaskFailed(f"there is no {inputs.name}", "sold_out")
        if inputs.name == "leaks":
            answer = await context.request("GET", str(context.input), secrets={"X-Key": "KEY"})
            raise ValueError(f"it said {answer.body}")
        raise KeyError(inputs.name)

    @task("odd")
    def odd(inputs: Order) -> object:
        return object()

    secret = Secret("KEY", KEY, Fence(hosts=("127.0.0.1",)))
    telling = foreign(lambda request: http(200, request.headers["x-key"].encode()))
    async with telling as server, tasks(secrets=[secret]) as running:
        sold_out = await running.failure("fails", {"name": "sold out"})
        other = await running.failure("fails", {"name": "tea"})
        leaks = await running.failure("fails", {"name": "leaks"}, f"http://127.0.0.1:{server.port}/")
        no_output = await running.failure("odd", {"name": "tea"})
    assert (sold_out.code, str(sold_out), sold_out.may_retry) == ("sold_out", "there is no sold out", False)
    assert (other.code, other.may_retry, other.logs) == ("KeyError", True, ("on the way",))
    assert (leaks.code, leaks.may_retry) == ("ValueError", True)
    assert KEY not in str(leaks)
    assert (no_output.code, no_output.may_retry) == ("OutputError", False)


async def test_a_task_that_takes_too_long_is_given_up_and_may_be_tried_again() -> None:
    forever = asyncio.Event()

    @task("endless")
    async def endless(inputs: Order, context: TaskContext) -> None:
        await forever.wait()

    async with tasks() as running:
        failed = await running.failure("endless", {"name": "tea"}, timeout=0.05)
    assert (failed.code, failed.may_retry) == ("task_timeout", True)


def nothing(inputs: Order) -> None: ...


def something(inputs: Order) -> None: ...


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        (lambda: task("http")(nothing), "built in"),
        (lambda: task("Not a name")(nothing), "small letters"),
        (lambda: task("bare")(lambda given: given), "annotate its first argument"),
        (lambda: task("none")(lambda: None), "a function of its inputs"),
        (lambda: [task("twice")(nothing), task("twice")(something)], "Two functions"),
    ],
)
def test_a_task_that_cannot_be_is_refused_where_it_is_declared(declare: Callable[[], Any], words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        declare()


def test_the_same_function_again_is_the_same_type() -> None:
    task("again")(nothing)
    task("again", title="Once more")(nothing)
    assert task_types()["again"].title == "Once more"
