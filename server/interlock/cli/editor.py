"""A text in the person's own editor.

Laws:
- The text is the person's: their editor is never ended for them. Who no longer needs the answer waits all the same.
- Ctrl-C belongs to the editor while it is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path


class EditorFailed(Exception):  # noqa: N818 - what happened
    """The editor couldn't be started, or said that it failed."""


def editor_of(environment: Mapping[str, str] = os.environ) -> str | None:
    """The command that the person has chosen as an editor."""
    return environment.get("VISUAL") or environment.get("EDITOR")


async def edited(editor: str, text: str, *, suffix: str) -> str:
    """The text as it is when the editor is closed, without a line end that it didn't have before.

    Args:
        suffix: how the file's name ends, for an editor that knows kinds of files.

    Raises:
        EditorFailed: there is no such editor, or it ended with an error.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-") as folder, _without_interrupts():
        file = Path(folder) / f"edit{suffix}"
        file.write_text(text, "utf-8")
        opened = asyncio.create_task(_closed(editor, file))
        try:
            await asyncio.shield(opened)
        except asyncio.CancelledError:
            await opened
            raise
        changed = file.read_text("utf-8", errors="replace")
    return changed if text.endswith("\n") else changed.removesuffix("\n")


async def _closed(editor: str, file: Path) -> None:
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(editor), str(file))
    except (OSError, ValueError) as error:
        raise EditorFailed(f"The editor {editor!r} can't be started: {error}") from None
    if code := await process.wait():
        raise EditorFailed(f"The editor {editor!r} ended with {code}; nothing was taken from it.")


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    # A handler and not SIG_IGN: what is ignored would be so in the editor too.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
