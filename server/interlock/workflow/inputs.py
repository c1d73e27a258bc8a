"""A run's input: what starts it, checked against what its workflow declares."""

from __future__ import annotations

from pydantic import ValidationError

from interlock.workflow.declaration import Workflow
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.faults import first_errors, shortened
from interlock_protocol.types import JsonValue


def checked_input(workflow: Workflow, message: JsonValue) -> JsonValue:
    """The run's input: the message, checked against what the workflow declares, with its defaults.

    Raises:
        Refusal: `invalid_message`.
    """
    model = workflow.input_schema
    if model is None:
        return message
    try:
        given = model.model_validate(message)
        checked: JsonValue = given.model_dump(mode="json", by_alias=True, round_trip=True)
        is_kept = model.model_validate(checked) == given
    except ValidationError as error:
        details = [
            {"field": ".".join(("message", *(shortened(str(part)) for part in each["loc"]))), "error": each["msg"]}
            for each in first_errors(error)
        ]
        sentence = f"`message` isn't what workflow {workflow.id!r} needs: {details[0]['field']}: {details[0]['error']}"
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=details) from None
    if not is_kept:
        raise Refusal(
            ErrorCode.INVALID_MESSAGE,
            f"The input_schema of workflow {workflow.id!r} can't be written as JSON and read back (a secret, perhaps); "
            "whoever declared it has to change that.",
        )
    return checked
