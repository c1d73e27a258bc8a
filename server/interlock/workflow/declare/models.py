"""The pydantic models that outputs were instances of, found again by where they stand.

Laws:
- A model is found among what is loaded already: looking for one imports nothing.
- One that doesn't take back its own output judges nobody else's.
"""

from __future__ import annotations

import sys
from typing import Any
from weakref import WeakValueDictionary

from pydantic import BaseModel

from interlock.workflow.declare.form_models import Misfit, instance_of
from interlock_protocol.types import JsonValue

_seen: WeakValueDictionary[str, type[BaseModel]] = WeakValueDictionary()
"""Those that can't be found by their names: they were made within a function."""


def path_of(model: type[BaseModel]) -> str:
    """Where a model stands, for `model_at`."""
    path = f"{model.__module__}:{model.__qualname__}"
    _seen[path] = model
    return path


def model_at(path: str) -> type[BaseModel] | None:
    """The model that stands there; None when it isn't loaded here."""
    module, _, names = path.partition(":")
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = getattr(found, name, None)
    if isinstance(found, type) and issubclass(found, BaseModel):
        return found
    return _seen.get(path)


def judge_of(path: str | None, output: JsonValue) -> type[BaseModel] | None:
    """The model that says what may take the place of an output of it; None when none can say."""
    model = None if path is None else model_at(path)
    if model is None:
        return None
    try:
        instance_of(model, output)
    except Misfit:
        return None
    return model
