"""Files under test: uploaded as a user, and checked as on a server."""

from __future__ import annotations

import pytest
from tests.http.v1.machines import END, machine

from interlock import Halting, State, Transition
from interlock.testing import Refusal, running
from interlock_protocol.types import JsonObject

FORM: JsonObject = {"type": "form", "fields": [{"name": "scan", "type": "file", "accept": "image/*"}]}
papers = machine(
    "papers", "ask", {"ask": State(halt=Halting(presentation=FORM), transitions=[Transition("end")]), "end": END}
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def test_file_of_ones_own_is_taken_and_another_kind_or_anothers_is_refused() -> None:
    async with running(papers) as run:
        pause = await run.paused()
        theirs = await run.as_user("bob").upload("a.png", PNG)
        for wrong in (theirs, await run.upload("a.txt", b"text"), "file_nothing"):
            with pytest.raises(Refusal):
                await pause.submit(scan=wrong)
        await pause.submit(scan=await run.upload("../a.png", PNG))
        await run.completed()
