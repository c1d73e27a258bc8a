"""Types of one's own: a function with a model of its inputs, and `@task`.

    class Lookup(BaseModel):
        customer_id: str

    @task("lookup_customer", provider="crm")
    async def lookup(inputs: Lookup, context: TaskContext) -> dict:
        answer = await context.request("GET", f"/customers/{quote(inputs.customer_id, safe='')}")
        return answer.body

Source: `docs/graphs.md`, "One's own".
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar, get_type_hints

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

from interlock.workflow.declare.errors import DeclarationError
from interlock.workflow.declare.task_types import TaskType
from interlock_protocol.types import JsonObject

F = TypeVar("F", bound=Callable[..., Any])

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_own: dict[str, tuple[object, TaskType]] = {}


def registered() -> Mapping[str, TaskType]:
    """One's own types, by their names."""
    return {name: each for name, (_, each) in _own.items()}


def forget(name: str) -> None:
    """Take a type of one's own back, as a test does at its end."""
    _own.pop(name, None)


def task(
    name: str,
    *,
    provider: str | None = None,
    title: str | None = None,
    description: str | None = None,
    category: str = "own",
    icon: str | None = None,
) -> Callable[[F], F]:
    """Make a function a type of tasks. It is called with its inputs or, if it takes two arguments, also with a
    `TaskContext`; asynchronously, or else in a thread. The function itself stays as it is.

    Args:
        name: what definitions call it: small letters, digits, `_` and `-`.
        provider: whose integration each task of it works with.
        title, description: what pages call it, and say of it; by default its name, and the function's docstring.
        category: the heading under which pages list it.
        icon: the name of a sign of Lucide.

    Raises:
        DeclarationError: another type has the name, or the function's first argument isn't annotated with a model.
    """

    def register(function: F) -> F:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DeclarationError(
                f"A task's name has 1 to 64 small letters, digits, _ and -, and begins with a letter, unlike {name!r}."
            )
        _check_free(name, function)
        model, takes_context, given = _read(function, name)
        text = description if description is not None else inspect.getdoc(function) or ""
        type_ = TaskType(
            name=name,
            title=title or name.replace("_", " ").replace("-", " ").capitalize(),
            description=text.split("\n\n", 1)[0].replace("\n", " "),
            category=category,
            input=model,
            output_schema=_schema_of(given),
            provider=provider,
            is_integration_needed=provider is not None,
            icon=icon,
            run=function if takes_context else _without_context(function),
        )
        _own[name] = (_origin(function), type_)
        return function

    return register


def _check_free(name: str, function: Callable[..., Any]) -> None:
    from interlock.tasks.builtin import BUILT_IN  # only whoever declares a task needs the others

    if name in BUILT_IN:
        raise DeclarationError(f"The task type {name!r} is built in; choose another name.")
    if name in _own and _own[name][0] != _origin(function):
        raise DeclarationError(f"Two functions are called the task {name!r}; keep one, or choose another name.")


def _origin(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def _read(function: Callable[..., Any], name: str) -> tuple[type[BaseModel], bool, Any]:
    """The model of a function's inputs, whether it takes a context, and what it says that it returns."""
    parameters = [*inspect.signature(function).parameters.values()]
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if not 1 <= len(positional) <= 2:
        raise DeclarationError(f"The task {name!r} is a function of its inputs, or of its inputs and a context.")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise DeclarationError(
            f"The task {name!r} has an annotation that can't be read ({error}); declare its model in the module."
        ) from None
    model = hints.get(positional[0].name)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise DeclarationError(f"The task {name!r}: annotate its first argument with a pydantic model of its inputs.")
    return model, len(positional) == 2, hints.get("return")


def _schema_of(given: Any) -> JsonObject:
    """The JSON Schema of what a function says that it returns; {} if it says nothing, or nothing that has one."""
    if given is None:
        return {}
    try:
        schema: JsonObject = TypeAdapter(given).json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticUserError):
        return {}
    return schema


def _without_context(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    if inspect.iscoroutinefunction(function):
        return partial(_called_async, function)
    return partial(_called, function)


async def _called_async(function: Callable[..., Any], inputs: Any, _: Any) -> Any:
    return await function(inputs)


def _called(function: Callable[..., Any], inputs: Any, _: Any) -> Any:
    return function(inputs)
