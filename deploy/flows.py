"""The workflows that deploy/docker-compose.yml serves: put yours here."""

from interlock import Confirm, Step, StepInput, Workflow


def draft(step_input: StepInput) -> str:
    return f"Dear {step_input.input}, the lift works again."


def send(step_input: StepInput) -> str:
    return f"Sent: {step_input.previous_step_content}"


workflows = [
    Workflow("notice", steps=[draft, Step("send", send, human_review=Confirm("Send it?", on_reject="cancel"))]),
]
