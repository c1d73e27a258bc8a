"""The files that a decision gives: each must exist, be the decider's to give, and fit its field.

Laws:
- A file may be given by its uploader, and by anybody in a run that uses it already.
- What isn't there, and what isn't theirs, is refused in the same words: nobody learns of others' files.
- That the run uses the files is committed before the decision is logged, so that nobody clears them away in between.

Source: `docs/files.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interlock.auth import Principal, Verb, may
from interlock.engine.commands.context import Context
from interlock.engine.commands.refusals import or_unavailable
from interlock.engine.commands.runs import Facts
from interlock.files.kinds import is_accepted
from interlock.store.port import StoredFile
from interlock.workflow.program import Decided, Requirement, RunState, wrong_answer
from interlock_protocol.namespaces import home_of

_MISSING: Final = "There is no file {id!r} of yours; upload it, and give the id that you get."
_FULL: Final = "File {id!r} can't be used any more, or not in another run; upload it again."
_TYPE: Final = "File {id!r} is of the type {type}, and only {accept} is taken here; give another."
_SIZE: Final = "File {id!r} has {size} bytes, and at most {most} are taken here; give a smaller one."


@dataclass(frozen=True, slots=True)
class Given:
    """A file given for a field of a requirement."""

    requirement: Requirement
    field: dict[str, Any]
    file_id: str

    def wrong(self, sentence: str, **more: object) -> dict[str, str]:
        return {"field": str(self.field["name"]), "error": sentence.format(id=self.file_id, **more)}


def given_in(decided: Sequence[Decided]) -> Iterator[Given]:
    """The files that decisions give."""
    for each in decided:
        values: Any = each.decision.get("user_input")
        fields: Any = each.requirement.facts.get("user_input_schema")
        for field in fields if isinstance(values, dict) and isinstance(fields, list) else ():
            if field.get("format") == "file":
                yield from (Given(each.requirement, field, file_id) for file_id in values.get(field["name"]) or ())


def is_own(principal: Principal, file: StoredFile) -> bool:
    """Return True if the principal may see, give and delete a file as its uploader may."""
    facts = Facts.of_new(file.account, home_of(file.user_id), file.user_id)
    return may(principal, Verb.OWN_FILE, facts)


async def check_files(context: Context, principal: Principal, state: RunState, decided: Sequence[Decided]) -> None:
    """Check the files that decisions give.

    Raises:
        Refusal: `invalid_decision`, with an entry for each that is wrong.
    """
    given = [*given_in(decided)]
    if not given:
        return
    ids = {each.file_id for each in given}
    found = await or_unavailable(context.store.files(ids, account=principal.account))
    used = await or_unavailable(context.store.files_used_by(state.run_id))
    usable = {id_: file for id_, file in found.items() if id_ in used or is_own(principal, file)}
    _refuse(state, [(each, fault) for each in given for fault in _faults(each, usable.get(each.file_id))])


def _faults(given: Given, file: StoredFile | None) -> Iterator[dict[str, str]]:
    if file is None:
        yield given.wrong(_MISSING)
        return
    accept, most = given.field.get("accept"), given.field.get("max_size")
    if isinstance(accept, str) and not is_accepted(accept, file.content_type, file.name):
        yield given.wrong(_TYPE, type=file.content_type, accept=accept)
    if isinstance(most, int | float) and file.size > most:
        yield given.wrong(_SIZE, size=file.size, most=int(most))


async def use_files(context: Context, state: RunState, decided: Sequence[Decided]) -> None:
    """Commit that the run uses the files that decisions give.

    Raises:
        Refusal: `invalid_decision`; one is gone since it was checked, or is used by too many runs.
    """
    given = [*given_in(decided)]
    if not given:
        return
    used = await or_unavailable(context.store.use_files(state.run_id, {each.file_id for each in given}))
    _refuse(state, [(each, each.wrong(_FULL)) for each in given if each.file_id not in used])


def _refuse(state: RunState, wrong: Sequence[tuple[Given, dict[str, str]]]) -> None:
    if wrong:
        first = wrong[0][0].requirement
        raise wrong_answer(state, first, [fault for each, fault in wrong if each.requirement is first])
