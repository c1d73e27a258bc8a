"""An agent that tidies a folder, and must ask before it deletes a file.

    interlock chat tidy-folder --message /path/to/a/folder

The message is the path of a folder on the machine where the server runs. The agent looks at the files in it (not at
those in folders inside) and proposes, in up to three turns, to delete

1. temporary files, such as `draft.tmp`, `notes.txt~` or an unfinished download;
2. files with the same content as an older one;
3. files that nobody has changed for a year.

Each file is a tool call of its own, and several are asked for at once: approve some, reject others, in any order. Only
what you approve is deleted, and only if the file is still the one that you were shown. Files outside of the folder are
out of reach. What nobody has decided after a week stays.

The model is a small planner that needs no key. To put a real one in its place, install the extra `pydantic-ai`, and
name the model before you serve:

    export INTERLOCK_EXAMPLE_MODEL=anthropic:claude-sonnet-4-5

Whoever may start this workflow can have the server delete files, with your approval or with their own: it is an
example.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from examples.samples import downloads, example, message_of
from interlock import Step, StepInput, ToolReview, Workflow
from interlock.workflow.declare.agents import AgentExecutor, AgentPause, AgentStream, Tool, ToolDecision, ToolRequest

MODEL = "INTERLOCK_EXAMPLE_MODEL"
"""The environment variable that names a real model, as Pydantic AI does."""

TEMPORARY = ("*.tmp", "*.temp", "*.part", "*.crdownload", "*.swp", "*~", "~$*", ".DS_Store", "Thumbs.db")
OLD = timedelta(days=365)
WEEK = 7 * 24 * 3600
MAX_FILES = 1000
MAX_PER_TURN = 20


class CannotTidy(Exception):  # noqa: N818 - a sentence for people, not a programming error
    """The folder can't be tidied, or a file can't be deleted."""


# ── The folder: what the agent's tools do ───────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is listed. `modified` is UTC, in ISO 8601 to the microsecond."""

    name: str
    size: int
    modified: str

    @property
    def changed_at(self) -> datetime:
        return datetime.fromisoformat(self.modified)


class Folder:
    """The files directly in one folder: the only ones that are ever read or deleted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[File]:
        """The regular files, by name. Links are left out: what they lead to is elsewhere.

        Raises:
            CannotTidy: the folder can't be read, or has too many files.
        """
        try:
            found = sorted(self.path.iterdir())
            files = [_file(each.name, info) for each in found if stat.S_ISREG((info := each.lstat()).st_mode)]
        except OSError as error:
            raise CannotTidy(f"{self.path} can't be read: {error.strerror}.") from error
        if len(files) > MAX_FILES:
            raise CannotTidy(f"{self.path} has {len(files)} files; this example takes up to {MAX_FILES}.")
        return files

    def digest(self, file: File) -> str:
        """A hash of a file's content; of one that can't be read, a text that no other file has."""
        try:
            with (self.path / file.name).open("rb") as content:
                return hashlib.file_digest(content, "blake2b").hexdigest()
        except OSError:
            return f"unreadable {file.name}"

    def delete(self, file: File) -> str:
        """Delete a file, if it is the one that was listed. One that is gone is fine: this may be the second try.

        Raises:
            CannotTidy: it isn't directly in this folder, has changed, or can't be deleted.
        """
        if Path(file.name).name != file.name or "\x00" in file.name:
            raise CannotTidy(f"{file.name!r} isn't the name of a file in {self.path}.")
        path = self.path / file.name
        try:
            info = path.lstat()
            if not stat.S_ISREG(info.st_mode) or _file(file.name, info) != file:
                raise CannotTidy(f"{file.name} has changed since you were asked; it was left alone.")
            path.unlink()
        except FileNotFoundError:
            return f"{file.name} is gone."
        except OSError as error:
            raise CannotTidy(f"{file.name} can't be deleted: {error.strerror}.") from error
        return f"Deleted {file.name}."


def _file(name: str, info: os.stat_result) -> File:
    return File(name, info.st_size, datetime.fromtimestamp(info.st_mtime, UTC).isoformat(timespec="microseconds"))


def folder_of(message: Any) -> Folder:
    """The folder that the message names."""
    if not isinstance(message, str) or not message.strip() or "\x00" in message:
        raise CannotTidy("The message must be the path of a folder, such as /home/me/Downloads.")
    path = Path(message.strip()).expanduser().resolve()
    if not path.is_dir():
        raise CannotTidy(f"There is no folder {path} on the server's machine.")
    return Folder(path)


# ── The planner: what a model would say ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Plan:
    """One turn of the planner: what it says, and what it wants to delete, each file with the reason."""

    says: str
    deletions: list[tuple[File, str]]


def plan(folder: Folder, files: Sequence[File], now: datetime) -> Plan | None:
    """The next thing to propose; None when the folder is tidy."""
    for says, found in (
        ("These look temporary", _temporary(files)),
        ("These have the same content as an older file", _duplicates(folder, files)),
        ("Nobody has changed these for a year", _old(files, now)),
    ):
        if found:
            return Plan(says, found[:MAX_PER_TURN])
    return None


def _temporary(files: Iterable[File]) -> list[tuple[File, str]]:
    return [(file, "a temporary file") for file in files if any(fnmatch(file.name, each) for each in TEMPORARY)]


def _duplicates(folder: Folder, files: Sequence[File]) -> list[tuple[File, str]]:
    """All but the oldest of each content. Files of a size of their own needn't be read."""
    sizes = [file.size for file in files]
    oldest: dict[str, File] = {}
    found = []
    for file in sorted(files, key=lambda each: (each.modified, each.name)):
        if file.size == 0 or sizes.count(file.size) == 1:
            continue
        original = oldest.setdefault(folder.digest(file), file)
        if original is not file:
            found.append((file, f"the same as {original.name}"))
    return found


def _old(files: Iterable[File], now: datetime) -> list[tuple[File, str]]:
    return [(file, f"unchanged since {file.modified[:10]}") for file in files if now - file.changed_at > OLD]


# ── The agent ───────────────────────────────────────────────────────────────────────────────────────────


class Memory(BaseModel):
    """What the agent needs again after a pause."""

    folder: Path
    turn: int = 0
    deleted: list[str] = []
    spared: list[str] = []


class PlanningAgent:
    """Lists, proposes, deletes what was approved, and begins again until there is nothing left to propose."""

    id = "tidy-folder"
    name = "Tidy folder"
    type: Literal["agent"] = "agent"

    async def run(self, step_input: StepInput, stream: AgentStream) -> str | AgentPause:
        return await self._next(Memory(folder=folder_of(message_of(step_input, downloads)).path), stream)

    async def resume(
        self, state: Any, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> str | AgentPause:
        memory = Memory.model_validate(state)
        for decision in decisions:
            await self._carry_out(memory, decision, stream)
        return await self._next(memory, stream)

    async def _next(self, memory: Memory, stream: AgentStream) -> str | AgentPause:
        """Look at what is there now, and propose; or say how it ended."""
        memory.turn += 1
        folder = Folder(memory.folder)
        files = await self._list(folder, memory, stream)
        undecided = [file for file in files if file.name not in memory.spared]
        next_plan = await asyncio.to_thread(plan, folder, undecided, datetime.now(UTC))
        if next_plan is None:
            return _summary(memory, len(files))
        stream.content(f"{next_plan.says}: {', '.join(file.name for file, _ in next_plan.deletions)}.\n")
        await stream.room()
        requests = [
            ToolRequest(Tool(f"{memory.turn}.{number}", "delete_file", _arguments(file, why)))
            for number, (file, why) in enumerate(next_plan.deletions, 1)
        ]
        return AgentPause(requests, memory.model_dump(mode="json"))

    async def _list(self, folder: Folder, memory: Memory, stream: AgentStream) -> list[File]:
        tool = Tool(f"{memory.turn}.0", "list_files", {})
        stream.tool_started(tool)
        files = await asyncio.to_thread(folder.files)
        stream.tool_completed(tool, [file.name for file in files])
        await stream.room()
        return files

    async def _carry_out(self, memory: Memory, decision: ToolDecision, stream: AgentStream) -> None:
        tool, name = decision.tool, str(decision.tool.args["name"])
        if not decision.approved:
            memory.spared.append(name)
            stream.tool_failed(tool, decision.note or "Rejected.")
            return
        stream.tool_started(tool)
        try:
            result = await asyncio.to_thread(Folder(memory.folder).delete, _listed(tool))
        except CannotTidy as error:
            memory.spared.append(name)
            stream.tool_failed(tool, str(error))
        else:
            memory.deleted.append(name)
            stream.tool_completed(tool, result)
        await stream.room()


def _arguments(file: File, why: str) -> dict[str, Any]:
    """What a person is shown, and all that the tool is given: the file that is deleted is the one that they saw."""
    return {"name": file.name, "size": file.size, "modified": file.modified, "why": why}


def _listed(tool: Tool) -> File:
    arguments: dict[str, Any] = dict(tool.args)
    return File(arguments["name"], arguments["size"], arguments["modified"])


def _summary(memory: Memory, left: int) -> str:
    if not memory.deleted and not memory.spared:
        return f"{memory.folder} is tidy: there is nothing to delete among its {left} files."
    parts = [f"Deleted {len(memory.deleted)}" + (f": {', '.join(memory.deleted)}." if memory.deleted else ".")]
    if memory.spared:
        parts.append(f"Left alone: {', '.join(memory.spared)}.")
    return " ".join([*parts, f"Files that remain in {memory.folder}: {left}."])


def tidying_agent(model: str | None) -> AgentExecutor:
    """The planner, or the same tools in the hands of a real model."""
    if model is None:
        return PlanningAgent()
    import interlock.agents.pydantic_ai  # noqa: F401 - first: where the extra is missing, it says so
    from examples.tidy_folder_model import model_agent

    return model_agent(model)


workflow = Workflow(
    "tidy-folder",
    name="Tidy folder",
    examples=[example("A folder of downloads")],
    description="An agent that proposes files to delete, and deletes those that you approve.",
    steps=[
        Step(
            "tidy",
            agent=tidying_agent(os.environ.get(MODEL)),
            human_review=ToolReview(timeout=WEEK, on_timeout="skip"),
        )
    ],
)
