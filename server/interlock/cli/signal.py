"""`interlock signal`: sends a signal to a run.

Law: it has been sent for good when the command ends well; its id is all that is printed.
"""

from __future__ import annotations

from typing import IO

from interlock.cli.chat import NotGiven
from interlock.cli.exits import ExitCode, Failure
from interlock.cli.messages import message_of
from interlock.cli.target import Target
from interlock_protocol.limits import MAX_NAME
from interlock_protocol.namespaces import is_topic


async def send(
    target: Target, run_id: str, topic: str, payload: str | None, file: str | None, key: str | None, *, out: IO[str]
) -> ExitCode:
    """Send the signal.

    Raises:
        Failure: the topic isn't one, or what is to come with it can't be read or sent.
    """
    if not is_topic(topic):
        sentence = "A topic has 1 to 128 letters and digits of ASCII, `_`, `.`, `:` and `-`."
        raise Failure(sentence, ExitCode.USAGE)
    if key is not None and not 1 <= len(key) <= MAX_NAME:
        raise Failure(f"A key has 1 to {MAX_NAME} characters.", ExitCode.USAGE)
    said = message_of(None, payload, file)
    async with target.connect() as client:
        given = None if isinstance(said, NotGiven) else said
        print(await client.signal(run_id, topic, given, idempotency_key=key), file=out, flush=True)
    return ExitCode.COMPLETED
