"""Pages that show a run: what they send is really sent, and what they show really came.

A page declares a workflow in its first Python block. From there on, in the order of the page,

- a JSON block with an `action` is sent: `start-workflow`, or a `continue-workflow` with the decisions;
- `<!-- an hour passes -->` (or `90 minutes pass`, `2 days pass`) moves the clock;
- between `<!-- generated: events -->` and `<!-- /generated -->` stand the events since, up to the pause or the end.

Laws:
- Ids that are new in every run are shown as `run-1`, `session-1` and `req-1`, `req-2`, … in the order of their coming,
  and are taken so in what is sent. Times are those of a run that is started at `BEGIN` and in which nothing takes time.
- Fields that every event of a run or a step has are left out, and so is how long something took.

Source: `docs/pauses/README.md`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.testing import Run, running
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.requirements import iso_time
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WIDTH = 110

_PARTS = re.compile(
    r"^```python\n(?P<python>.*?)^```$"
    r"|^```json\n(?P<json>\{\n  \"action\".*?)^```$"
    r"|^<!-- (?P<passes>an hour|\d+ (?:minutes|hours|days)) pass(?:es)? -->$"
    r"|(?P<begin>^<!-- generated: events -->\n).*?(?P<end>^<!-- /generated -->$)",
    re.MULTILINE | re.DOTALL,
)
_DONE_AT = re.compile(r'("_interactedAt": )"[^"]*"')
_IDS = re.compile(r"\breq-[0-9a-f]{24}\b")
_HIDDEN = {
    *("created_at", "epoch", "workflow_id", "workflow_name", "run_id", "session_id"),
    *("step_id", "step_index", "step_path", "visit", "parent_step_id", "nested_depth"),
    *("duration_ms", "metrics", "resolved_at"),
}
_ENDS = ("WorkflowRunOutput", "WorkflowCompleted", "WorkflowCancelled", "WorkflowError")


async def with_transcript(page: str) -> str:
    """The page with the events of its run; as it is when it shows none."""
    parts = list(_PARTS.finditer(page))
    if not any(part["begin"] for part in parts):
        return page
    start = next(part for part in parts if part["json"])
    message = StartWorkflow.model_validate_json(start["json"]).message
    async with running(_workflow(parts[0]["python"]), message=message, user="ada") as run:
        return await _Transcript(run).fill(page, parts, begins_with=start)


def _workflow(declaration: str) -> Workflow:
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(declaration, "page", "exec", dont_inherit=True), namespace)  # noqa: S102 - the code of our own page
    workflow: Workflow = namespace["workflow"]
    return workflow


class _Transcript:
    """A run, and how far a page has shown it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._shown = 0
        self._names = {run.run_id: "run-1", run.session_id: "session-1"}

    async def fill(self, page: str, parts: list[re.Match[str]], *, begins_with: re.Match[str]) -> str:
        """The page with what its run said."""
        made, end = "", 0
        for part in parts:
            made += page[end : part.start()]
            end = part.end()
            if part["begin"]:
                made += f"{part['begin']}{await self._events()}\n{part['end']}"
                continue
            made += part[0]
            if part["json"] and part is not begins_with:
                await self._send(part["json"])
            elif part["passes"]:
                await self._run.advance(seconds=_seconds(part["passes"]))
        return made + page[end:]

    async def _send(self, text: str) -> None:
        """Send what a page shows, with the real ids."""
        for real, shown in self._names.items():
            text = re.sub(rf"\b{shown}\b", real, text)
        message = ContinueWorkflow.model_validate_json(text)
        await self._run._server.engine.continue_run(self._run._user, message)

    async def _events(self) -> str:
        """The events since the last time, once the run has paused again or ended."""
        await self._run._followed.until(self._has_settled, "a pause or the end", patient=True)
        news = self._run.events[self._shown :]
        self._shown += len(news)
        shown = [{key: value for key, value in event.items() if key not in _HIDDEN} for event in news]
        lines = [pretty(each) for each in json.loads(self._as_shown(json.dumps(shown), news))]
        return "\n".join(["```json", *lines, "```"])

    def _has_settled(self) -> bool | None:
        news = self._run.events[self._shown :]
        return (bool(news) and news[-1]["event"] in _ENDS) or None

    def _as_shown(self, text: str, news: list[dict[str, Any]]) -> str:
        """Without what is different in every run."""
        for event in news:
            if "timeout_at" in event:
                due = datetime.fromisoformat(event["timeout_at"]).timestamp() - event["created_at"] / 1000
                shown = BEGIN + timedelta(seconds=round(due))
                self._names.setdefault(event["timeout_at"], iso_time(round(shown.timestamp() * 1000)))
        text = _DONE_AT.sub(rf'\g<1>"{BEGIN:%Y-%m-%dT%H:%M:%SZ}"', text)
        for found in _IDS.finditer(text):
            number = sum(each.startswith("req-") for each in self._names.values()) + 1
            self._names.setdefault(found[0], f"req-{number}")
        for real, name in self._names.items():
            text = text.replace(real, name)
        return text


def _seconds(text: str) -> float:
    number, unit = ("1", "hours") if text == "an hour" else text.split()
    return timedelta(**{unit: int(number)}).total_seconds()


def pretty(value: Any, indent: int = 0) -> str:
    """JSON for people: what fits into a line stays on one."""
    text = json.dumps(value, ensure_ascii=False)
    if indent + len(text) <= WIDTH or not isinstance(value, dict | list) or not value:
        return text
    inner, pad = indent + 2, " " * indent
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {pretty(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(f"{pad}  {item}" for item in items) + f"\n{pad}}}"
    return "[\n" + ",\n".join(f"{pad}  {pretty(each, inner)}" for each in value) + f"\n{pad}]"
