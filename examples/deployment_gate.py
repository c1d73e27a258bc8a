"""A deployment: what changes is looked at in a widget, then a step asks those who operate the service, and waits.

    interlock chat deployment-gate --message '{"service": "shop", "version": "1.4.0", "group": "ops"}'

The workflow

1. works out what the deployment changes;
2. shows it in the widget `deployment-diff` to whoever started it, who proposes the deployment or drops it;
3. asks by itself, durably: two of the `group` have to approve within an hour, without a group whoever started it;
4. waits for the outcome, which only the server can tell, and deploys, or says why not.

Step 3 is asked once, also if the server dies in the middle of it.
"""

from __future__ import annotations

import json
from typing import Any

from interlock import Ports, Quorum, Signal, Step, StepInput, Widget, Workflow

SERVICE, VERSION = "shop", "1.4.0"
"""What is deployed where a run's message doesn't say it."""

SECONDS = 3600.0
TOPIC = "deployment"

RUNNING: dict[str, dict[str, Any]] = {
    "shop": {"image": "shop:1.3.2", "replicas": 2, "memory": "512Mi", "payments": "sandbox"},
}
"""What runs now, by service. A deployment of one's own would ask the cluster."""


def work_out(step_input: StepInput) -> dict[str, Any]:
    """The settings of the service, before and after."""
    said = _said(step_input.input)
    service, version = str(said.get("service") or SERVICE), str(said.get("version") or VERSION)
    before = RUNNING.get(service, {})
    after = {**before, "image": f"{service}:{version}", "replicas": 3}
    changes = [
        {"setting": name, "before": before.get(name), "after": after.get(name)}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return {"service": service, "version": version, "changes": changes, "group": said.get("group")}


def shown(step_input: StepInput) -> Any:
    """What the widget is shown with."""
    return step_input.previous_step_content


async def ask(step_input: StepInput) -> dict[str, Any]:
    """Ask those who operate the service. The run's next gate waits for what they say."""
    plan, looked = step_input.get_step_content("work out"), step_input.get_step_content("look")
    group = plan["group"]
    asked = await step_input.interactions.request(
        "approval",
        f"Deploy {plan['service']} {plan['version']}?",
        f"group:{group}" if group else step_input.user_id,
        policy=Quorum(2 if group else 1),
        context={"changes": plan["changes"], "note": looked.get("note", "")},
        timeout=SECONDS,
        topic=TOPIC,
    )
    return {"interaction_id": asked.id}


def deploy(step_input: StepInput) -> str:
    """Deploy, if they said so."""
    plan, told = step_input.get_step_content("work out"), step_input.signal
    name = f"{plan['service']} {plan['version']}"
    if told["outcome"] != "approved":
        return f"{name} isn't deployed: {told['outcome']}."
    by = [each["by"] for each in told.get("responses", ())] or [told["responded_by"]]
    return f"{name} is deployed, approved by {' and '.join(by)}."


def drop(step_input: StepInput) -> str:
    """Nobody is asked."""
    return f"{step_input.get_step_content('work out')['service']} stays as it is."


def _said(message: Any) -> dict[str, Any]:
    """The run's message: an object, or the text of one."""
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except ValueError:
            return {}
    return message if isinstance(message, dict) else {}


workflow = Workflow(
    "deployment-gate",
    name="Deployment gate",
    description="Shows what a deployment changes, asks those who operate the service, and deploys when two agree.",
    steps=[
        Step("work out", work_out),
        Step(
            "look",
            widget=Widget(
                "deployment-diff",
                props=shown,
                ports={"propose": "propose", "drop": "drop"},
                message="Look at what this deployment changes.",
            ),
        ),
        Ports(
            "decide",
            {
                "propose": [
                    Step("ask", ask, retries=3),
                    Step("deploy", deploy, human_review=Signal(TOPIC, source="interaction")),
                ],
                "drop": [Step("drop", drop)],
            },
        ),
    ],
)
