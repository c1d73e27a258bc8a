"""Runs the scripts of state machines, in JavaScript, where they can do no harm.

Laws:
- A script runs in a process of its own (`processes.py`, `script_process.py`), never in the server's. What the engine
  can't stop by itself, such as a native call that takes long, is killed with its process when the time is over.
- Nobody is held up by another's scripts: accounts take turns, and none has all the processes.
- No secret that a script was given stands in what it logs or in its errors. That is a net below: a script that means to
  tell a secret can disguise it, and may only be given those that it may tell.
- A script is tried once; `LogicError.may_retry` says whether another try is of any use.

Source: `docs/architecture.md`, "What is bounded".
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from interlock.engine.work import script_process
from interlock.engine.work.processes import Crowded, Lost, NotStarted, Processes, Turns
from interlock.secrets.encodings import revealing
from interlock.secrets.port import struck
from interlock.workflow.activities import LogicError, Returned, Script
from interlock_protocol.limits import KIB, MIB

PROCESSES: Final = 4
"""How many scripts run at a time; others wait for their turn."""

MOST_OF_ONE: Final = 3
"""How many of one account."""

MOST_WAITING: Final = 1000
"""How many of one account wait."""

CHECK_SECONDS: Final = 5.0
"""How long the compilation of a script may take."""

MOST_LINES: Final = 100
"""How many lines a script may log."""

LINE_BYTES: Final = 4 * KIB
"""The longest line; the rest of it is left out, as is the rest of an error."""

_MEMORY_BYTES: Final = 256 * MIB
_ANSWER_BYTES: Final = 32 * MIB
_OF_LIMIT: Final = 0.95
"""The part of the time after which the engine stops a script by itself, so that its process and its log survive."""

_BEYOND_SECONDS: Final = 1.0
"""By how much the kernel's limit is longer: it is for processes whose server was killed."""


def _processes() -> Processes:
    return Processes(
        script_process.__file__,
        Turns(PROCESSES, MOST_OF_ONE, MOST_WAITING),
        _MEMORY_BYTES,
        answer_bytes=_ANSWER_BYTES,
        least=2,
    )


@dataclass
class Scripts:
    """Runs scripts. An instance belongs to one event loop; call `aclose` at the end."""

    _processes: Processes = field(default_factory=_processes)

    async def run(self, script: Script, secrets: Mapping[str, str]) -> Returned:
        """Run a script once, and return the object that it returns.

        Args:
            secrets: what it finds under `secrets`.

        Raises:
            LogicError: it failed (`script_error`), took too long (`script_timeout`), or returned too much
                (`data_too_large`). `logs` has what it logged before, unless its process was lost.
        """
        known = revealing(secrets.values())
        given = {**script.input, "secrets": dict(secrets), "longest": max(map(len, known), default=0)}
        answer = await self._answer(script.code, given, script.time_limit, script.asker.account)
        logs = _logs(answer, known)
        if "error" in answer:
            sentence = answer["error"] or _too_long(script.time_limit)
            raise LogicError(answer["code"], _shown(sentence, known), logs=logs)
        return Returned(answer["value"], logs, known)

    async def check(self, code: str, account: str = "") -> str | None:
        """Compile a script without running it, and return what is wrong with it, and where; None if nothing is.

        Raises:
            LogicError: it couldn't be compiled just now (`may_retry`).
        """
        try:
            answer = await self._answer(code, None, CHECK_SECONDS, account)
        except LogicError as error:
            if error.may_retry:
                raise
            return str(error)
        return _shown(answer["error"], ()) if "error" in answer else None

    async def aclose(self) -> None:
        """End the processes, and what runs in them."""
        await self._processes.aclose()

    async def _answer(self, code: str, given: object, seconds: float, account: str) -> dict[str, Any]:
        try:
            async with self._processes.turns.turn(account):
                text = None if given is None else _json(given).decode()
                question = _json([seconds + _BEYOND_SECONDS, code, text, seconds * _OF_LIMIT])
                answer: dict[str, Any] = from_json(await self._processes.answer(question, seconds=seconds))
                return answer
        except Crowded:
            raise LogicError(
                "script_error", "too many scripts of this account wait for their turn", may_retry=True
            ) from None
        except NotStarted:
            raise LogicError("script_error", "no process to run scripts in could be started", may_retry=True) from None
        except Lost as lost:
            raise _lost(lost, seconds) from None


def _json(value: object) -> bytes:
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError):  # half of a surrogate pair
        return json.dumps(value).encode()


def _lost(lost: Lost, seconds: float) -> LogicError:
    if lost.is_late or lost.code == -signal.SIGPROF:
        return LogicError("script_timeout", _too_long(seconds))
    return LogicError(
        "script_error",
        f"the process that the script ran in ended, with {lost.code}",
        may_retry=lost.code == -signal.SIGKILL,  # by somebody else
    )


def _too_long(seconds: float) -> str:
    return f"the script ran for longer than {seconds:g} s; let it do less, or do it where an HTTP call asks for it"


def _logs(answer: dict[str, Any], secrets: Iterable[str]) -> tuple[str, ...]:
    lines = tuple(_shown(line, secrets) for line in answer["logs"])
    more = answer["count"] - len(lines)
    return (*lines, f"… {more} more; a script logs at most {MOST_LINES} lines") if more else lines


def _shown(text: str, secrets: Iterable[str]) -> str:
    """Strike secrets from a text, and cut it: in this order, since half of a secret couldn't be found."""
    clean = str(struck(text, secrets))
    data = clean.encode()
    return clean if len(data) <= LINE_BYTES else data[: LINE_BYTES - 3].decode(errors="ignore") + "…"
