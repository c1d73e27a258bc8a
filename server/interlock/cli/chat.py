"""`interlock chat`: shows a run in the terminal and asks its questions.

Laws:
- Events are shown while a question is open; an answer by somebody else closes the question.
- One question is open at a time, for the oldest pause; replayed pauses aren't asked.
- If this user may not decide a pause, that is said once, and the command waits. An admin is told how to decide it for
  somebody: with whom and why, on the command line.
- Leaving (Ctrl-C, end of input) changes nothing: the run goes on, and the command says how to come back.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from interlock.cli.exits import ExitCode, Failure, exit_code
from interlock.cli.input_schema import form_of
from interlock.cli.lines import Lines
from interlock.cli.prompts import EndOfInput, Prompter
from interlock.cli.screen import Screen
from interlock.cli.target import Target
from interlock.cli.words import waiting_for
from interlock_client import Client, Forbidden, Pause, Run
from interlock_protocol.messages import ServerMessage
from interlock_protocol.types import JsonValue, RunStatus

SETTLE_SECONDS = 0.3
"""How long to wait for the rest of a pause (who may decide, what a rejection may do) before asking."""


GROUP = "group:"


class NotGiven:
    """The value of a message that wasn't given."""


@dataclass(frozen=True)
class Represented:
    """For whom an admin answers what isn't the admin's own to answer, and why; for nobody, by default."""

    names: tuple[str, ...] = ()
    reason: str = ""

    def one_of(self, assignees: tuple[str, ...]) -> str | None:
        """Whom of them a pause asks. Who is in a group is known to the server only."""
        if any(_is_group(each) for each in assignees):
            return next((name for name in self.names if name in assignees), next(iter(self.names), None))
        return next((name for name in self.names if name in assignees), None)


class Chat:
    """One `chat` command, which starts or joins a run."""

    def __init__(self, target: Target, console: Console, lines: Lines, represented: Represented) -> None:
        self._target = target
        self._represented = represented
        self._screen = Screen(console)
        self._lines = lines
        self._run: Run | None = None

    async def start(
        self, workflow: str, message: JsonValue | NotGiven, session_id: str | None, namespace: str | None = None
    ) -> ExitCode:
        """Start a run and stay with it. If no message is given and the workflow has a form, ask for its fields."""
        if isinstance(message, NotGiven):
            message = await self._asked_for(workflow)
        where = {"session_id": session_id, "namespace": namespace}
        return await self._with(lambda client: client.start(workflow, message=message, **where))

    async def _asked_for(self, workflow: str) -> JsonValue:
        fields = await asyncio.to_thread(form_of, self._target, workflow)
        if not fields:
            return ""
        try:
            return {**await Prompter(self._screen, self._lines).form(fields)}
        except EndOfInput:
            names = ", ".join(field.name for field in fields)
            raise Failure(
                f"{workflow} is started with {names}: pass --message-json, or --file.", ExitCode.USAGE
            ) from None

    async def join(self, run_id: str) -> ExitCode:
        """Join a run that was started before, and show it from its beginning."""
        return await self._with(lambda client: client.follow(run_id))

    def leave(self) -> ExitCode:
        """Say how to come back, after Ctrl-C."""
        if self._run is None:
            return ExitCode.INTERRUPTED
        if self._run.status.is_final:
            return exit_code(self._run.status)
        self._say_way_back("The run goes on without you.")
        return ExitCode.LEFT

    async def _with(self, get_run: Callable[[Client], Awaitable[Run]]) -> ExitCode:
        async with self._target.connect(on_disconnect=self._lost) as client:
            self._screen.me = client.user_id
            self._run = await get_run(client)
            try:
                return await Conversation(self._run, client, self._screen, self._lines, self._represented).hold()
            except EndOfInput:
                self._say_way_back("There is no more input; the run is left waiting.")
                return ExitCode.LEFT

    def _lost(self, reason: str) -> None:
        self._screen.note(f"connection lost ({reason}); reconnecting")

    def _say_way_back(self, sentence: str) -> None:
        assert self._run is not None
        run_id = self._run.run_id
        self._screen.line(
            f"{sentence}\n  interlock follow {run_id}        watches it\n  interlock chat --run {run_id}    answers it"
        )


class Conversation:
    """A run, its screen, and the open question."""

    def __init__(self, run: Run, client: Client, screen: Screen, lines: Lines, represented: Represented) -> None:
        self._run = run
        self._represented = represented
        self._client = client
        self._screen = screen
        self._prompter = Prompter(screen, lines, client.files)
        self._asking: asyncio.Task[None] | None = None
        self._asked: Pause | None = None
        self._paused = asyncio.Event()
        self._not_mine: set[str] = set()

    async def hold(self) -> ExitCode:
        """Show the run and ask its questions, until it ends.

        Raises:
            EndOfInput: the input has ended.
        """
        following = asyncio.create_task(self._next())
        try:
            while True:
                await asyncio.wait(_tasks(following, self._asking), return_when=asyncio.FIRST_COMPLETED)
                if self._asking is not None and self._asking.done():
                    self._conclude()
                if following.done():
                    if (event := following.result()) is None:
                        return exit_code(self._run.status)
                    self._screen_event(event)
                    following = asyncio.create_task(self._next())
                await self._tend()
        finally:
            await _drop(following, self._asking)

    async def _next(self) -> ServerMessage | None:
        return await anext(self._run, None)

    def _screen_event(self, event: ServerMessage) -> None:
        self._screen.show(event)
        self._prompter.shown(event)
        if self._run.status is RunStatus.PAUSED:
            self._paused.set()
        else:
            self._paused.clear()

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────────────

    async def _tend(self) -> None:
        """Close a question that needs no answer any more, and open the next."""
        if self._asking is not None and self._asking.done():
            self._conclude()
        if self._asking is not None:
            if self._prompter.sending or self._is_open(self._asked):
                return
            await _drop(self._asking)
            self._asking = self._asked = None
        if self._run.behind:
            return  # a replayed pause may have been answered long ago
        for pause in self._run.pending:
            if not self._is_mine(pause):
                self._wait_for(pause)
            else:
                self._asked = pause
                self._asking = asyncio.create_task(self._ask(pause))
                return

    async def _ask(self, pause: Pause) -> None:
        if not self._paused.is_set():
            try:
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._paused.wait()
            except TimeoutError:
                pass  # other branches are still running; the question doesn't wait for them
        try:
            await self._prompter.settle(lambda: self._represents(self._latest(pause)))
        except Forbidden:
            self._wait_for(self._latest(pause))

    def _conclude(self) -> None:
        asking, self._asking, self._asked = self._asking, None, None
        assert asking is not None
        asking.result()

    def _latest(self, pause: Pause) -> Pause:
        return next((each for each in self._run.pending if each.id == pause.id), pause)

    def _is_open(self, pause: Pause | None) -> bool:
        return pause is not None and any(
            each.id == pause.id and self._still_asks(each) for each in self._run.pending if self._is_mine(each)
        )

    def _still_asks(self, pause: Pause) -> bool:
        """Return True if the subject of the question (perhaps one tool of several) is still pending."""
        return pause.kind != "executor_input" or self._prompter.tool in (None, *(tool.id for tool in pause.tools))

    def _is_mine(self, pause: Pause) -> bool:
        """Return True if this user is to be asked: the server hasn't refused, and nobody else is named instead."""
        if pause.id in self._not_mine or pause.kind == "signal":
            return False
        return self._is_asked(pause.assignees) or self._represented.one_of(pause.assignees) is not None

    def _is_asked(self, named: tuple[str, ...]) -> bool:
        """Return True if these are this user too, as far as is known."""
        groups = self._client.groups
        if not named or self._client.user_id in named:
            return True
        return any(_is_group(each) and (groups is None or each.removeprefix(GROUP) in groups) for each in named)

    def _represents(self, pause: Pause) -> Pause:
        """The pause as it is answered: for somebody else, if it doesn't ask this user."""
        if self._is_asked(pause.assignees) or (name := self._represented.one_of(pause.assignees)) is None:
            return pause
        return pause.on_behalf_of(name, self._represented.reason)

    def _wait_for(self, pause: Pause) -> None:
        if pause.id not in self._not_mine:
            self._not_mine.add(pause.id)
            self._screen.line(f"waiting for {waiting_for(pause)}", "magenta")
            if "admin" in self._client.scopes and not self._is_asked(pause.assignees):
                name = next((each for each in pause.assignees if not _is_group(each)), "USER")
                command = f"interlock chat --run {self._run.run_id} --as {shlex.quote(name)} --reason WHY"
                self._screen.line(f"You are an admin, and may answer it on their behalf:\n  {command}")


def _is_group(name: str) -> bool:
    return name.startswith(GROUP)


def _tasks(*tasks: asyncio.Task[Any] | None) -> list[asyncio.Task[Any]]:
    return [task for task in tasks if task is not None]


async def _drop(*tasks: asyncio.Task[Any] | None) -> None:
    for task in _tasks(*tasks):
        task.cancel()
    await asyncio.gather(*_tasks(*tasks), return_exceptions=True)
