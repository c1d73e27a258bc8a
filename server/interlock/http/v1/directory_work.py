"""What the routes of the directory share: how they show what there is, and what they say when something isn't done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from fastapi import Request

from interlock.auth import Principal
from interlock.http.v1.bodies import invalid
from interlock.http.v1.errors import ApiError, Code, not_there
from interlock.http.v1.times import shown
from interlock.identity.managing import Forbidden, Managing, TooBusy, Unusable
from interlock.identity.sign_in import NotIssued, network_of
from interlock.services import Services
from interlock.store.ports.directory import ChangedMeanwhile, Group, Member, MemberKind, Taken

MAX_PAGE: Final = 200
_NOT_FOUND: Final = {"user": Code.USER_NOT_FOUND, "service": Code.CLIENT_NOT_FOUND}
_CALLED: Final = {"user": "User", "service": "Client"}


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn what managing refuses into errors of the API."""
    try:
        yield
    except Forbidden as error:
        raise ApiError(Code.FORBIDDEN, str(error)) from None
    except Unusable as error:
        raise invalid([{"field": error.name, "error": str(error)}]) from None
    except Taken:
        raise ApiError(Code.NAME_TAKEN, "The name or the id is taken; choose another one.") from None
    except ChangedMeanwhile as error:
        raise ApiError(Code.CONCURRENT_MODIFICATION, str(error)) from None
    except TooBusy as error:
        raise ApiError(Code.UNAVAILABLE, str(error)) from None
    except NotIssued as error:
        headers = {} if error.retry_after is None else {"Retry-After": str(max(1, round(error.retry_after)))}
        raise ApiError(Code.RATE_LIMITED, str(error), headers=headers) from None


@contextlib.contextmanager
def paging() -> Iterator[None]:
    """Turn a strange cursor into an error of the API."""
    try:
        yield
    except ValueError:
        raise invalid([{"field": "cursor", "error": "isn't one of ours; begin without it"}]) from None


def managing_of(services: Callable[[], Services]) -> Managing:
    """What manages the directory."""
    return services().identity.managing


async def the_member(managing: Managing, author: Principal, kind: MemberKind, user_id: str) -> Member:
    """The member of this kind; raises an error of the API if there is none."""
    found = await managing.member(author, kind, user_id)
    if found is None:
        raise not_there(_NOT_FOUND[kind], f"{_CALLED[kind]} {user_id!r}")
    return found


async def the_group(managing: Managing, author: Principal, name: str) -> Group:
    """The group; raises an error of the API if there is none."""
    found = await managing.group(author, name)
    if found is None:
        raise not_there(Code.GROUP_NOT_FOUND, f"Group {name!r}")
    return found


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return network_of(request.client.host if request.client is not None else "")


def powers_of(member: Member) -> dict[str, Any]:
    """What somebody has."""
    return {
        "scopes": sorted(member.scopes),
        "groups": sorted(member.groups),
        "namespaces": sorted(member.namespaces),
    }


def user_of(member: Member) -> dict[str, Any]:
    """How a person is shown."""
    return {
        "id": member.user_id,
        "username": member.name,
        "issuer": member.issuer or None,
        "subject": member.subject if member.issuer else None,
        **powers_of(member),
        "disabled": member.disabled_at is not None,
        "created_at": shown(member.created_at),
        "created_by": member.created_by,
    }


def client_of(member: Member) -> dict[str, Any]:
    """How a service account is shown."""
    return {
        "client_id": member.user_id,
        "name": member.name,
        **powers_of(member),
        "revoked": member.disabled_at is not None,
        "created_at": shown(member.created_at),
        "created_by": member.created_by,
    }
