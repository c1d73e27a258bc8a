"""`interlock serve [MODULE:ATTR]`: serves the workflows that a module declares, and those that are published.

`interlock serve MODULE` is for a module that has no workflows, but types of tasks.

Laws:
- The flags are generated from `Settings`, one per setting, so they can't disagree. A flag wins over the environment.
- A wrong MODULE:ATTR is reported in one sentence; an error inside the module is shown with its traceback.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.importing import importing
from interlock.errors import SettingsError
from interlock.settings import PREFIX, Settings
from interlock.tasks.own import registered
from interlock.workflow.declare.errors import DeclarationError, MissingExtra
from interlock.workflow.declare.nodes import Workflow


def load(target: str) -> list[Workflow]:
    """Return the workflows that `MODULE:ATTR` names: one, or a list or tuple of them; none of a module that has only
    tasks, which are known once it is imported.

    Raises:
        Failure: it doesn't exist, or is something else.
    """
    module_name, separator, path = target.partition(":")
    if module_name and not separator and _declares_tasks(module_name):
        return []
    if not (module_name and separator and path):
        raise _unusable(f"{target!r} isn't MODULE:ATTR; write for example `interlock serve flows:workflows`.")
    found: Any = _module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise _unusable(f"The module {module_name!r} has no attribute {path!r}{_instead(found)}.")
        found = getattr(found, name)
    return _workflows(found, target)


def _declares_tasks(module_name: str) -> bool:
    known = {*registered()}
    _module(module_name)
    return {*registered()} > known


def _module(name: str) -> Any:
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except MissingExtra as error:
        raise _unusable(f"The module {name!r} needs what isn't installed. {error}") from error
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise  # an import inside the module
        raise _unusable(f"There is no module {name!r} here ({here}) or installed; check its name.") from None
    except DeclarationError as error:
        raise _unusable(f"The module {name!r} declares what can't be: {error}") from error


def _workflows(found: Any, target: str) -> list[Workflow]:
    if isinstance(found, Workflow):
        return [found]
    if isinstance(found, list | tuple) and found and all(isinstance(each, Workflow) for each in found):
        return list(found)
    raise _unusable(
        f"{target} is {_described(found)}; it must be a Workflow, or a list of them (each with its own id)."
    )


def _described(found: Any) -> str:
    if isinstance(found, list | tuple):
        others = sorted({type(each).__name__ for each in found if not isinstance(each, Workflow)})
        kind = type(found).__name__
        return f"a {kind} with {', '.join(others)} in it" if others else f"an empty {kind}"
    return f"of the type {type(found).__name__}"


def _instead(module: Any) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Workflow)]
    return f"; it has {', '.join(names)}" if names else ""


def _unusable(sentence: str) -> Failure:
    return Failure(sentence, ExitCode.USAGE)


def serve(target: str | None, **flags: str | None) -> None:
    """Serve published workflows, and those of a Python module: MODULE:ATTR, a workflow or a list of them."""
    workflows = [] if target is None else load(target)
    given = {name: value for name, value in flags.items() if value is not None}
    with importing():
        from interlock.process.serving import serve as serve_workflows  # only this command imports the server

    try:
        serve_workflows(workflows, Settings(**given))
    except SettingsError as error:
        raise _unusable(as_flags(str(error), given)) from error
    except ValueError as error:
        raise _unusable(f"{error}") from error


def as_flags(sentence: str, given: dict[str, str]) -> str:
    """Rewrite a sentence about settings so that it names those given as flags by their flags."""
    for name in given:
        sentence = sentence.replace(f"{PREFIX}{name.upper()} ", f"{_flag(name)} ")
    return sentence


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with one flag per setting."""
    kind_of_target = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("target", kind_of_target, default=None, annotation=_TARGET)]
    for name, field in Settings.model_fields.items():
        option = typer.Option(
            _flag(name), help=field.description, metavar="VALUE", show_default=False, rich_help_panel="Settings"
        )
        annotation = Annotated[str | None, option]
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=None, annotation=annotation))

    def with_flags(target: str | None, **flags: str | None) -> None:
        command(target, **flags)

    with_flags.__doc__ = command.__doc__
    with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_flags.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_flags


_TARGET = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODULE:ATTR]",
        help="Where workflows in Python are, e.g. flows:workflows; or a module that has only tasks. Without it, only "
        "published definitions are served.",
        show_default=False,
    ),
]

command = _with_flags(serve)
