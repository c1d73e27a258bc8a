"""The routes of absences: who stands in for somebody who is away.

Law: everybody says that of themselves, and nobody of others.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from interlock.auth import Principal
from interlock.http.v1.answers import BODY, answer, answers
from interlock.http.v1.bodies import body, invalid, read_body
from interlock.http.v1.callers import caller
from interlock.http.v1.times import read, shown
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock.store.ports.absences import Absence
from interlock_protocol.messages import Name

OWN: Final = "/me/absence"
MAX_BODY: Final = 16 * 1024
LONGEST_MS: Final = 366 * 24 * 3600 * 1000


class PutAbsence(BaseModel):
    """From when until when somebody is away, and who stands in for them."""

    model_config = ConfigDict(extra="forbid")

    substitute: Annotated[Name, Field(description="the id of a user")]
    until: str = Field(description="a time in ISO 8601")
    from_: str | None = Field(None, alias="from", description="a time in ISO 8601; by default now")


class AbsenceInfo(BaseModel):
    """An absence; times are in ISO 8601."""

    substitute: str
    from_: str = Field(alias="from")
    until: str


class OwnAbsence(BaseModel):
    """The absence of whoever asks; null if they have none."""

    absence: AbsenceInfo | None


def make_absences_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["absences"])
    reader = Annotated[Principal, Depends(caller(services, None, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, None, Budget.WRITES))]

    @router.get(OWN, operation_id="getOwnAbsence", responses=answers(OwnAbsence))
    async def own(principal: reader) -> Response:
        """From when until when one is away, and who stands in."""
        return answer(_shown(await services().store.absence(principal.account, principal.user_id)))

    @router.put(
        OWN,
        operation_id="putOwnAbsence",
        responses=answers(OwnAbsence, *BODY),
        openapi_extra=body(PutAbsence),
    )
    async def put_own(request: Request, principal: writer) -> Response:
        """Say that one is away: the substitute is asked besides, whenever a question names one."""
        said = await read_body(request, PutAbsence, MAX_BODY)
        absence = _checked(said, principal, services().engine.clock.now_ms())
        await services().store.keep_absence(absence)
        services().engine.look_who_listens()
        return answer(_shown(absence))

    @router.delete(OWN, operation_id="deleteOwnAbsence", responses=answers(OwnAbsence))
    async def delete_own(principal: writer) -> Response:
        """Say that one is back, or stays."""
        await services().store.end_absence(principal.account, principal.user_id)
        return answer(_shown(None))

    return router


def _checked(said: PutAbsence, principal: Principal, now: int) -> Absence:
    begin, end = read(said.from_, "from"), read(said.until, "until")
    assert end is not None
    begin = now if begin is None else begin
    wrong = []
    if said.substitute == principal.user_id or said.substitute.startswith("group:"):
        wrong.append({"field": "substitute", "error": "is somebody else: give the id of another user"})
    if not max(begin, now) < end <= max(begin, now) + LONGEST_MS:
        wrong.append({"field": "until", "error": "comes after `from`, within a year, and hasn't passed"})
    if wrong:
        raise invalid(wrong)
    return Absence(principal.account, principal.user_id, said.substitute, begin, end, principal.user_id, now)


def _shown(absence: Absence | None) -> dict[str, Any]:
    if absence is None:
        return {"absence": None}
    times = {"from": shown(absence.from_at), "until": shown(absence.until_at)}
    return {"absence": {"substitute": absence.substitute, **times}}
