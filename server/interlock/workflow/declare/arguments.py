"""The arguments of an agent's tool, checked against the tool's JSON schema before it is called with them.

Laws:
- Nothing is fetched: what a schema refers to elsewhere isn't checked.
- A schema that can't be read checks nothing; the agent's framework still does.

Source: https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from interlock.workflow.declare.form_models import WrongField, sentence
from interlock_protocol.limits import MAX_FAULTS
from interlock_protocol.types import JsonValue


def faults_of_arguments(schema: Mapping[str, Any], args: Mapping[str, JsonValue]) -> list[WrongField]:
    """What is wrong with the arguments: `{"field": path, "error": sentence}` each."""
    # Here, because only deciding needs it, and the extra `server` brings it.
    from jsonschema import Draft202012Validator
    from referencing import Registry

    try:
        errors = list(islice(Draft202012Validator(schema, registry=Registry()).iter_errors(args), MAX_FAULTS))
    except Exception:  # of the many ways in which a schema can't be used, none is a fault of the arguments
        return []
    return [{"field": ".".join(map(str, each.absolute_path)), "error": _said(each.message)} for each in errors]


def _said(message: str) -> str:
    return sentence(message[:1].upper() + message[1:])
