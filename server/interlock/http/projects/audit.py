"""The routes of the audit: of a run, and of one of its interactions.

Laws:
- Whoever may read the run may read its audit, and nobody else.
- Of an interaction, the contents of all other entries are left out; their hashes stay, for the chain to be checked.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response
from pydantic_core import to_json

from interlock.audit.chain import Entry
from interlock.audit.files import csv_lines, json_lines
from interlock.auth import Principal, Verb
from interlock.engine.commands.refusals import or_unavailable
from interlock.http.projects.shapes import Audit, AuditCheckpoint
from interlock.http.v1.answers import answer, answers
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import ApiError, Code, refused
from interlock.identity.signing import CannotIssue
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.port import Sight, Store
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.limits import MIB
from interlock_protocol.messages import Name, Namespace
from interlock_protocol.types import JsonObject, JsonValue

MAX_PAGE: Final = 1000
MAX_BYTES: Final = 4 * MIB
"""After how much of contents a page ends."""

_AT_ONCE: Final = 50

Format = Literal["json", "jsonl", "csv"]

_MEDIA: Final[dict[Format, str]] = {"json": "application/json", "jsonl": "application/jsonl", "csv": "text/csv"}
_LEFT: Final = "X-Interlock-Next"
"""The header with the place after which the next page begins."""


def make_audit_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["audit"])
    reader = Annotated[Principal, Depends(caller(services, Verb.LIST, Budget.READS))]
    page = Annotated[int, Query(ge=1, le=MAX_PAGE)]
    place = Annotated[int, Query(ge=0, description="the place after which to begin")]
    wanted = Annotated[Format | None, Query(alias="format", description="instead of the header `Accept`")]
    told = answers(Audit, Code.RUN_NOT_FOUND)
    told[200] |= {"content": {_MEDIA["jsonl"]: {}, _MEDIA["csv"]: {}}}

    @router.get("/projects/{project}/runs/{run_id}/audit", operation_id="getRunAudit", responses=told)
    async def of_run(
        principal: reader,
        project: Namespace,
        run_id: Name,
        accept: Annotated[str | None, Header()] = None,
        format_: wanted = None,
        after: place = 0,
        limit: page = MAX_PAGE,
    ) -> Response:
        """What was decided and done about what a run asks: a chain, whose entries carry the hash of the one before."""
        found = await _read(services(), principal, project, run_id, after, limit)
        return _written(found, format_ or _format_in(accept))

    @router.get(
        "/projects/{project}/interactions/{interaction_id}/audit",
        operation_id="getInteractionAudit",
        responses=told,
    )
    async def of_interaction(
        principal: reader,
        project: Namespace,
        interaction_id: Name,
        accept: Annotated[str | None, Header()] = None,
        format_: wanted = None,
        after: place = 0,
        limit: page = MAX_PAGE,
    ) -> Response:
        """The same of one interaction: what its run has besides is hashes alone."""
        requirement_id, _, run_id = interaction_id.partition(".")
        if not run_id:
            raise ApiError(Code.RUN_NOT_FOUND, "There is no such interaction in this project; check both ids.")
        found = await _read(services(), principal, project, run_id, after, limit)
        return _written(_about(found, requirement_id), format_ or _format_in(accept))

    keeper = Annotated[Principal, Depends(caller(services, Verb.ACT_FOR, Budget.READS))]

    @router.get(
        "/audit/checkpoint", operation_id="getAuditCheckpoint", responses=answers(AuditCheckpoint, Code.NO_SECRETS_KEY)
    )
    async def checkpoint(principal: keeper, after: Name | None = None) -> Response:
        """How far the chains of the account have come, signed by the server, page by page; to be kept elsewhere."""
        heads = await or_unavailable(services().store.audit_heads(principal.account, after=after or "", limit=MAX_PAGE))
        keys = services().identity.keys
        chains: list[JsonValue] = [[each.run_id, each.seq, each.hash] for each in heads]
        try:
            statement = await or_unavailable(keys.attested({"account": principal.account, "chains": chains}))
        except CannotIssue as error:
            raise ApiError(Code.NO_SECRETS_KEY, str(error)) from None
        public: Any = await or_unavailable(keys.published())
        left = heads[-1].run_id if len(heads) == MAX_PAGE else None
        return answer({"statement": statement, "keys": public["keys"], "next_after": left})

    return router


class _Found:
    """A page of a run's audit."""

    def __init__(self, run_id: str, entries: Sequence[Entry], count: int, people: Sequence[JsonObject]) -> None:
        self.run_id, self.entries, self.count, self.people = run_id, entries, count, people

    @property
    def next_after(self) -> int | None:
        """The place after which the next page begins."""
        last = self.entries[-1].seq if self.entries else self.count
        return last if last < self.count else None


async def _read(services: Services, principal: Principal, project: str, run_id: str, after: int, limit: int) -> _Found:
    try:
        facts = await services.engine.runs.readable(principal, run_id)
        if facts.namespace != project:
            raise ApiError(Code.RUN_NOT_FOUND, "There is no such run in this project; check both ids.")
        store = services.store
        entries = await _page(store, run_id, after, limit)
        count = await or_unavailable(store.audit_length(run_id))
        sights = await or_unavailable(store.sights(run_id)) if after == 0 else ()
    except Refusal as refusal:
        code = Code.RUN_NOT_FOUND if refusal.code is ErrorCode.RUN_NOT_FOUND else None
        raise refused(refusal, code) from None
    return _Found(run_id, entries, count, [_person(each) for each in sights])


async def _page(store: Store, run_id: str, after: int, limit: int) -> list[Entry]:
    """The next entries: as many as are asked for, or fewer if these are large."""
    entries: list[Entry] = []
    size = 0
    while len(entries) < limit and size < MAX_BYTES:
        asked = min(_AT_ONCE, limit - len(entries))
        some = await or_unavailable(store.audit_entries(run_id, after=after, limit=asked))
        entries.extend(some)
        size += sum(len(to_json(each.content)) for each in some)
        if len(some) < asked:
            break
        after = some[-1].seq
    return entries


def _person(sight: Sight) -> JsonObject:
    return {
        "user_id": sight.user_id,
        "requirement_id": sight.requirement_id,
        "delivered_at": sight.delivered_at,
        "seen_at": sight.seen_at,
    }


def _about(found: _Found, requirement_id: str) -> _Found:
    """What is about one requirement; of the rest, only what the chain is checked by."""
    entries = [
        each
        if each.content is None or each.content.get("requirement_id", requirement_id) == requirement_id
        else replace(each, content=None, salt=None)
        for each in found.entries
    ]
    people = [each for each in found.people if each["requirement_id"] == requirement_id]
    return _Found(found.run_id, entries, found.count, people)


def _format_in(accept: str | None) -> Format:
    """The format that a header asks for first; JSON if none of ours."""
    for each in (accept or "").split(","):
        media = each.partition(";")[0].strip().lower()
        for name, known in _MEDIA.items():
            if media == known or (name == "jsonl" and media == "application/x-ndjson"):
                return name
    return "json"


def _written(found: _Found, format_: Format) -> Response:
    headers = {} if found.next_after is None else {_LEFT: str(found.next_after)}
    if format_ == "json":
        return answer(_body(found))
    is_first = not found.entries or found.entries[0].seq == 1
    lines = (
        json_lines(found.entries, found.count, found.people)
        if format_ == "jsonl"
        else csv_lines(found.entries, found.count, with_header=is_first)
    )
    named = {"Content-Disposition": f'attachment; filename="audit.{format_}"', **headers}
    return Response("".join(lines), 200, named, media_type=_MEDIA[format_])


def _body(found: _Found) -> dict[str, Any]:
    return {
        "run_id": found.run_id,
        "count": found.count,
        "entries": [each.to_wire() for each in found.entries],
        "people": found.people,
        "next_after": found.next_after,
    }
