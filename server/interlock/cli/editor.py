"""Editing a text in the user's own editor.

Laws:
- The text belongs to the user, so their editor is never killed. A caller that no longer needs the answer still waits.
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


class EditorFailed(Exception):  # noqa: N818 - names an event
    """The editor couldn't be started, or exited with an error."""


def editor_of(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the command of the user's editor, if one is configured."""
    return environment.get("VISUAL") or environment.get("EDITOR")


async def edited(editor: str, text: str, *, suffix: str) -> str:
    """Return the text as it is when the editor is closed, without a line end that the editor added.

    Args:
        suffix: the file name's extension, for the editor to recognize the file type.

    Raises:
        EditorFailed: there is no such editor, or it exited with an error.
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
    # A handler, not SIG_IGN, because the editor would inherit an ignored signal.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
