"""The pydantic models that outputs were instances of, looked up by module and name.

Laws:
- A model is looked up among the loaded modules: a look-up imports nothing.
- A model that rejects its own output isn't used to judge another.
"""

from __future__ import annotations

import sys
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel

from interlock.workflow.declare.form_models import Misfit, instance_of
from interlock_protocol.types import JsonValue

_seen: WeakValueDictionary[str, type[BaseModel]] = WeakValueDictionary()
"""Models that can't be found by name, because they were made within a function."""


def path_of(model: type[BaseModel]) -> str:
    """The path of a model, for `model_at`."""
    path = f"{model.__module__}:{model.__qualname__}"
    _seen[path] = model
    return path


def model_at(path: str) -> type[BaseModel] | None:
    """The model at this path; None if it isn't loaded here."""
    module, _, names = path.partition(":")
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = getattr(found, name, None)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return found
    return _seen.get(path)


def judge_of(path: str | None, output: JsonValue) -> type[BaseModel] | None:
    """The model that judges replacements of an output of it; None if no model can."""
    model = None if path is None else model_at(path)
    if model is None:
        return None
    try:
        instance_of(model, output)
    except Misfit:
        return None
    return model
